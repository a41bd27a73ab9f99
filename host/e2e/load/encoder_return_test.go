//go:build linux

package load_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/weir-media/weir/sdk/asf"
)

// TestEncoderReturns: an encoder is killed and comes back with the same header, several times. Its viewers go on where they were, and what they get is
// the new film with its times moved behind the old one's.
func TestEncoderReturns(t *testing.T) {
	viewers, returns := scale(50, 200), scale(3, 50)
	const lead, more = 11 * time.Second, time.Second
	s := serve(t, "live: {source: push, buffer: 10s, grace: 20s}")
	at := s.Addr("web")
	f := asfFilm(t, 0, lead+slack, megabit)
	e := push(t, at, "live", f, true, lead)
	ready(t, s, "live", "mmsh", uint64(lead/f.step)-1)
	plain, mmsh := f.overHTTP("live"), f.overMMSH("live")
	a := newAudience(t)
	seats := sit(viewers, habit{}, plain, mmsh)
	a.join(at, seats)
	a.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })

	total := 0
	for i := range returns {
		total += e.pause()
		ready(t, s, "live", "mmsh", uint64(total)) // what a reset connection has not yet given to its reader is lost, by TCP
		e.kill()
		s.WaitPoint("live", "waiting")
		a.watched(seats, total)
		a.see(func() { plain.cut(total); mmsh.cut(total) })
		f = asfFilm(t, total, more+slack, megabit)
		a.see(func() { plain.more = f.returned(plain, false, total); mmsh.more = f.returned(mmsh, true, total) })
		e = push(t, at, "live", f, i%2 == 0, more)
		s.WaitPoint("live", "live")
		a.watched(seats, total+int(more/f.step)-1)
	}
	total += e.finish()
	// The point's grace is long: nobody is closed before it ends.
	a.watched(seats, total)
	a.wait("are attached", seats, func(s *seat) bool { return !s.closed })
	p := s.Point("live")
	if want := uint64(returns + 1); p.Sources != want || p.Viewers != viewers {
		t.Errorf("status tells %d sources and %d viewers, there were %d and %d", p.Sources, p.Viewers, want, viewers)
	}
	for _, r := range p.Renditions {
		if r.Generation != 1 {
			t.Errorf("rendition %s has its header number %d; it should be the first one still", r.Name, r.Generation)
		}
	}
	innocent(t, s)
}

// cut drops the units from n on, which were never sent.
func (f *form) cut(n int) { f.units = f.units[: n*f.unit : n*f.unit] }

// returned gives what makes a form longer by the film of an encoder that has come back. By how much its times were moved is read off the first packet,
// and must be such that time neither goes backwards nor jumps.
func (f *film) returned(to *form, mmsh bool, first int) func(lead []byte) error {
	return func(lead []byte) error {
		if mmsh {
			lead = lead[asf.ChunkHeadSize:]
		}
		last := binary.LittleEndian.Uint32(to.units[len(to.units)-packetSize+sendTimeAt:])
		now := binary.LittleEndian.Uint32(lead[sendTimeAt:])
		if step := int64(now) - int64(last); step < 1 || step > 100 {
			return fmt.Errorf("the returned encoder's first packet is sent at %d ms, the one before it at %d ms", now, last)
		}
		moved, h := append([]byte(nil), f.units...), asf.Patches{}
		for at := 0; at < len(moved); at += packetSize {
			var p asf.Packet
			packet := moved[at : at+packetSize]
			if err := asf.ParsePacket(packet, packetSize, &p); err != nil {
				return err
			}
			if err := asf.Rebase(&p, int64(now), &h); err != nil {
				return err
			}
			asf.ApplyPatches(packet, h.List())
		}
		if mmsh {
			moved = framed(moved, first)
		}
		to.units, to.more = append(to.units, moved...), nil
		return nil
	}
}
