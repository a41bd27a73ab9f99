//go:build linux

package load_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/mpegts"
)

// soakRun is a broadcast through all that happens in a day, within minutes.
type soakRun struct {
	*arena
	windows, transport   *encoder // into points live and ts
	plain, mmsh, ts      *form
	sent                 map[*form]int // units of the encoders that have ended
	healthy, slow, stuck []*seat
	guests               [][]*seat
	restarts, reloads    int
	joined               int
	next                 int // plugin to reload
}

const (
	soakRate = 400_000 // bits per second
	soakLead = 3 * time.Second
)

// TestFanoutSoak: viewers of a live film and of a live transport stream lose no byte while others join and leave, read too slowly or stop reading, while
// both encoders are restarted again and again and all plugins are reloaded one after the other. The server is as small at the end as it was behind its
// first restart.
func TestFanoutSoak(t *testing.T) {
	length, viewers := scale(9*time.Second, 10*time.Minute), 200
	restart, reload, visit := scale(3*time.Second, time.Minute), scale(time.Second, 10*time.Second), scale(500*time.Millisecond, time.Second)
	eager(t)
	points := []string{"live: {source: push, buffer: 10s, grace: 30s}", "ts: {source: push, buffer: 10s, grace: 30s}"}
	x := &soakRun{arena: newArena(t, points), sent: map[*form]int{}}
	x.begin(viewers)

	end := time.Now().Add(length)
	restarts, reloads, visits := every(t, restart), every(t, reload), every(t, visit)
	var was footprint
	for time.Now().Before(end) || was == (footprint{}) {
		select {
		case <-restarts:
			x.encodersReturn()
			if x.restarts == 2 || x.restarts == 1 && soak {
				was = x.footprint()
			}
		case <-reloads:
			x.reload()
		case <-visits:
			x.visit()
		}
	}
	x.flat(was, x.footprint(), scale[int64](48<<20, 16<<20), scale[int64](96<<20, 48<<20)) // versions that were replaced are kept for a minute
	x.finish()
	st := x.status().Deliver
	t.Logf("%d restarts, %d reloads, %d guests; %d MB in %d sends, %d packets not sent to the slow; left: %v",
		x.restarts, x.reloads, x.joined, st.Bytes>>20, st.Sends, st.DroppedPackets, st.Left)
	if x.restarts == 0 || x.reloads < 5 || x.joined == 0 {
		t.Error("too little has happened to prove anything")
	}
	x.sound()
}

// begin starts the encoders, and seats the healthy and the slow.
func (x *soakRun) begin(viewers int) {
	const film = soakLead + patience + slack // longer than any encoder lives
	windows, transport := asfFilm(x.t, 0, scale(film, 2*film), soakRate), tsFilm(scale(film, 2*film), soakRate)
	x.windows = push(x.t, x.at, "live", windows, true, soakLead)
	x.transport = push(x.t, x.at, "ts", transport, false, soakLead)
	x.has("live", "mmsh", int(soakLead/windows.step)-1)
	x.has("ts", "mpegts", int(soakLead/transport.step)/framePackets-1)
	x.mmsh, x.plain, x.ts = windows.overMMSH("live"), windows.overHTTP("live"), transport.overTS("ts")
	x.ts.prelude = transport.anyTables
	x.healthy = x.seat(viewers, habit{}, x.mmsh, x.ts)
	x.slow = x.seat(10, habit{every: 2 * time.Second, bite: 64 << 10, skips: true, receive: slowBuffer}, x.plain, x.ts)
	x.stop()
}

// stop seats viewers who watch and then read nothing more.
func (x *soakRun) stop() {
	x.audience.leave(x.stuck)
	x.stuck = x.seat(10, habit{skips: true, receive: slowBuffer}, x.plain, x.ts)
	x.audience.deafen(x.stuck)
}

// visit lets some join, and the oldest leave, by and by in one way or the other.
func (x *soakRun) visit() {
	x.guests = append(x.guests, x.seat(4, habit{}, x.mmsh, x.ts, x.plain))
	x.joined += 4
	if len(x.guests) < 5 {
		return
	}
	if x.joined%8 == 0 {
		x.audience.reset(x.guests[0])
	} else {
		x.audience.leave(x.guests[0])
	}
	x.guests = x.guests[1:]
}

// reload puts the next plugin's module in force again.
func (x *soakRun) reload() {
	name := []string{"push", "asf", "wmsp", "http", "mpegts"}[x.next%5]
	x.next++
	was, err := x.client.ReloadPlugin(context.Background(), name, false)
	if err != nil || was.To.Generation <= was.From.Generation {
		x.t.Errorf("reload of %s: %+v, %v", name, was, err)
	}
	x.reloads++
}

// encodersReturn kills both encoders when what they sent is watched, and starts others, whose films go on where these ended.
func (x *soakRun) encodersReturn() {
	x.ended(x.windows.pause(), x.transport.pause())
	x.caughtUp()
	x.windows.kill()
	x.transport.kill()
	x.isIn("waiting", "live", "ts")

	first, firstTS := x.sent[x.mmsh], x.sent[x.ts]
	windows := asfFilm(x.t, first, soakLead+patience+slack, soakRate)
	transport := tsFilm(soakLead+patience+slack, soakRate)
	pictures := *transport
	pictures.units = transport.units[tables*transport.unit:] // the header in force says what the tables before them say
	for i := range pictures.count() {
		putNumber(pictures.units[i*pictures.unit:], firstTS+i)
	}
	x.audience.see(func() {
		for f, n := range x.sent {
			f.cut(n)
		}
		x.plain.more, x.mmsh.more = windows.continued(x.plain, first), windows.continued(x.mmsh, first)
		x.ts.more = pictures.continuedTS(x.ts, firstTS)
	})
	x.windows = push(x.t, x.at, "live", windows, x.restarts%2 == 0, time.Second)
	x.transport = push(x.t, x.at, "ts", transport, false, time.Second)
	x.isIn("live", "live", "ts")
	x.stop()
	x.restarts++
}

// tables are the packets before the first frame of a transport stream.
const tables = 2

// ended counts what encoders sent of which viewers get everything, the tables before the first frame of a returned one excepted.
func (x *soakRun) ended(windows, transport int) {
	if x.restarts > 0 {
		transport -= tables
	}
	x.sent[x.mmsh] += windows
	x.sent[x.plain] = x.sent[x.mmsh]
	x.sent[x.ts] += transport
}

// caughtUp waits until the healthy have all that the encoders that have ended sent.
func (x *soakRun) caughtUp() {
	x.audience.wait("have what was pushed", x.healthy, func(s *seat) bool { return s.at >= x.sent[s.form] })
}

// finish ends both films and judges that nobody who is healthy has missed anything.
func (x *soakRun) finish() {
	x.ended(x.windows.finish(), x.transport.finish())
	x.caughtUp()
	x.whole(x.healthy)
	for _, seats := range x.guests {
		x.whole(seats)
	}
	x.audience.see(func() {
		for i, s := range x.slow {
			if s.wrong != nil {
				x.t.Errorf("slow viewer %d: %v", i, s.wrong)
			}
		}
	})
}

// extend makes a form longer by a film whose times the server has moved. move moves a copy of the units by what it reads off a unit that came, and off
// what that unit was when it was pushed; it tells the time between the last unit before and the first of these.
func (f *film) extend(to *form, first int, head int, move func(units, came, was []byte) (step time.Duration, err error)) func(lead []byte) error {
	return func(lead []byte) error {
		n := to.number(lead) - first
		if n < 0 || n >= f.count() {
			return fmt.Errorf("unit %d is none of the new film, which begins with %d", n+first, first)
		}
		moved := append([]byte(nil), f.units...)
		step, err := move(moved, lead[head:], f.units[n*f.unit:(n+1)*f.unit])
		if err != nil {
			return err
		}
		if step < 0 || step > 2*time.Second {
			return fmt.Errorf("the returned encoder's film begins %v after the last unit before it", step)
		}
		if head > 0 {
			moved = framed(moved, first)
		}
		to.units, to.more = append(to.units, moved...), nil
		return nil
	}
}

// continued gives what makes a form of ASF longer.
func (f *film) continued(to *form, first int) func(lead []byte) error {
	head := to.unit - packetSize
	return f.extend(to, first, head, func(units, came, was []byte) (time.Duration, error) {
		shift := int64(binary.LittleEndian.Uint32(came[sendTimeAt:])) - int64(binary.LittleEndian.Uint32(was[sendTimeAt:]))
		last := int64(binary.LittleEndian.Uint32(to.units[len(to.units)-packetSize+sendTimeAt:]))
		for at := 0; at < len(units); at += packetSize {
			var p asf.Packet
			var h asf.Patches
			packet := units[at : at+packetSize]
			if err := asf.ParsePacket(packet, packetSize, &p); err != nil {
				return 0, err
			}
			if err := asf.Rebase(&p, shift, &h); err != nil {
				return 0, err
			}
			asf.ApplyPatches(packet, h.List())
		}
		return time.Duration(shift-last) * time.Millisecond, nil
	})
}

// anyTables expects the film's tables, in whichever of its packets: another continuity counter and another number are another packet of the same table.
func (f *film) anyTables(b []byte) (int, error) {
	const size = tables * mpegts.PacketSize
	if len(b) < size {
		return 0, nil
	}
	got, want := bytes.Clone(b[:size]), bytes.Clone(f.units[:size])
	for at := 0; at < size; at += mpegts.PacketSize {
		for _, p := range [][]byte{got[at:], want[at:]} {
			p[3] &= 0xF0
			clear(p[tsNumberAt:mpegts.PacketSize])
		}
	}
	if !bytes.Equal(got, want) {
		return 0, fmt.Errorf("the stream begins with % x…, which are not its tables", got[:48])
	}
	return size, nil
}

// ptsAt is where the first packet of a frame has its time (tsFilm).
const ptsAt = 15

// continuedTS gives what makes a form of a transport stream longer.
func (f *film) continuedTS(to *form, first int) func(lead []byte) error {
	return f.extend(to, first, 0, func(units, came, was []byte) (time.Duration, error) {
		if !startsFrame(came) {
			return 0, fmt.Errorf("the new film begins within a frame: % x", came[:ptsAt])
		}
		shift := pts(came) - pts(was)
		var last int64
		for at := len(to.units) - to.unit; at >= 0 && last == 0; at -= to.unit {
			if p := to.units[at : at+to.unit]; startsFrame(p) {
				last = pts(p)
			}
		}
		for at := 0; at < len(units); at += f.unit {
			var patches mpegts.Patches
			p := units[at : at+f.unit]
			mpegts.Rebase(p, shift, &patches)
			mpegts.ApplyPatches(p, patches.List())
		}
		return time.Duration(mpegts.Nanoseconds(pts(units) - last)), nil
	})
}

// startsFrame tells whether a PES packet begins in a packet of the video stream.
func startsFrame(p []byte) bool {
	return p[1]&0x40 != 0 && int(p[1]&0x1F)<<8|int(p[2]) == videoPID
}

// pts reads ISO/IEC 13818-1 2.4.3.7.
func pts(p []byte) int64 {
	b := p[ptsAt:]
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4])>>1
}
