package session

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
	"github.com/weir-media/weir/sdk"
)

const packYAML = `
name: pack
roles: [packager]
packages: [{from: toy, to: packed, payload: all}]
capabilities: [attach]
`

// packer puts "<" before each packet and ">" behind it; a packet "bad" is its ruin.
func packer(_ *memo, e abi.Record, v *sdk.Verdicts) error {
	p := v.Pieces()
	switch e := e.(type) {
	case *abi.Package:
		if string(e.Header) == "bad header" {
			panic("no such header")
		}
		p.Text("packed ")
		p.SourceHeader()
		v.Header(p)
	case *abi.Packets:
		for n := range e.Packets.All() {
			if string(n.Bytes) == "bad" {
				panic("a bad packet")
			}
			p := v.Pieces()
			p.Text("<")
			p.PacketBytes(n.Sequence, 0, 0)
			p.Text(">")
			v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: n.Flags}, p)
		}
	}
	return nil
}

// readAll gives all of a log, headers in brackets.
func readAll(l *stream.Log) string {
	var b strings.Builder
	c := l.Cursor(stream.Start{Mode: stream.StartSeq})
	fmt.Fprintf(&b, "[%s]", c.Header().Bytes)
	for {
		k, st := c.Next()
		switch st {
		case stream.HeaderChange:
			fmt.Fprintf(&b, "[%s]", c.TakeHeader().Bytes)
		case stream.More:
			b.Write(k.Bytes)
		default:
			return b.String()
		}
	}
}

func packed(t *testing.T, r *rig) *point.Rendition {
	t.Helper()
	synctest.Wait()
	to, err := r.points["live"].Rendition("packed")
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// TestPackagerFollowsHeaders: each change of the header is told once, before the
// packets that it governs, whether they come together or apart.
func TestPackagerFollowsHeaders(t *testing.T) {
	for _, apart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, false, point.Options{Name: "live"})
			runner := r.add(packYAML, packer)
			f := r.fill("live")
			for i, header := range []string{"h1", "h1", "h2", "h3", "h3"} {
				f.SetHeader([]byte(header))
				f.Append(media.Packet{Flags: media.Key}, fmt.Appendf(nil, "%d", i))
				if apart {
					synctest.Wait()
				}
			}
			if got, want := readAll(packed(t, r).Log), "[packed header ]<packet >[packed h1]<0><1>[packed h2]<2>[packed h3]<3><4>"; got != want {
				t.Errorf("apart %v:\n %s, want\n %s", apart, got, want)
			}
			before := r.counts.called()
			synctest.Wait()
			if st := runner.Status(); st.Faults != 0 || r.counts.called() != before {
				t.Errorf("%d faults; the packager is called without need", st.Faults)
			}
			r.room.Close()
		})
	}
}

// TestPackagerBeginsInTheWindow: a plugin that is enabled during a broadcast packages what the point holds, all of it while nothing has left it, and else
// without the end that leaves next.
func TestPackagerBeginsInTheWindow(t *testing.T) {
	for packets, full := range map[int]bool{100: false, 2000: true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, false, point.Options{Name: "live", Buffer: time.Second})
			f := r.fill("live")
			for i := range packets {
				f.Append(media.Packet{DTS: media.FromDuration(time.Duration(i) * time.Millisecond), Flags: media.Key}, make([]byte, 2000))
			}
			from, err := r.points["live"].Rendition("toy")
			if err != nil {
				t.Fatal(err)
			}
			oldest, next := from.Log.Bounds()
			if from.Log.Flows() != full {
				t.Fatalf("%d packets: %d to %d", packets, oldest, next)
			}
			r.add(packYAML, packer)
			want := next - oldest
			if full {
				want -= want / 4
			}
			first, end := packed(t, r).Log.Bounds()
			if end-first != want {
				t.Errorf("%d packets are packaged, not %d of %d", end-first, want, next-oldest)
			}
			r.room.Close()
		})
	}
}

// TestPackagerSkipsBadPackets: only the packets that bring the fault are left out.
func TestPackagerSkipsBadPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		f := r.fill("live")
		want := "[packed header ]<packet >"
		for i := range 500 {
			text := fmt.Sprint(i)
			if i%100 == 50 || i == 51 {
				text = "bad"
			} else {
				want += "<" + text + ">"
			}
			f.Append(media.Packet{DTS: media.Time(i)}, []byte(text))
		}
		runner := r.add(packYAML, packer) // all are there at once
		to := packed(t, r)
		if got := readAll(to.Log); got != want {
			t.Errorf("got %d bytes, want %d: %s", len(got), len(want), got)
		}
		if st := runner.Status(); st.Faults == 0 || st.LastFault.Fault.Kind.String() != "trap" || st.Sessions != 1 {
			t.Errorf("%+v", st)
		}
		r.room.Close()
	})
}

// TestPackagerEnds: with its source, after the last packet; and when it only fails.
func TestPackagerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"}, point.Options{Name: "bad"})
		runner := r.add(packYAML, packer)
		f := r.fill("live")
		to := packed(t, r)
		f.Append(media.Packet{}, []byte("last"))
		f.Close("gone")
		r.points["live"].Close()
		synctest.Wait()
		if got := readAll(to.Log); !to.Log.Ended() || got != "[packed header ]<packet ><last>" {
			t.Errorf("ended %v: %s", to.Log.Ended(), got)
		}
		g := r.fill("bad")
		for range 10 * maxForgiven {
			g.Append(media.Packet{}, []byte("bad"))
		}
		synctest.Wait()
		if _, err := r.points["bad"].Rendition("packed"); err == nil {
			t.Error("a packager that fails each time is kept")
		}
		if st := runner.Status(); st.Sessions != 0 || st.Faults > 3*maxForgiven || st.State.Phase != Running {
			t.Errorf("%d sessions, %d faults, %s", st.Sessions, st.Faults, st.State.Phase)
		}
		r.room.Close()
	})
}

// TestPackagerBadHeader: a fault in PACKAGE ends the packager, not the source.
func TestPackagerBadHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		runner := r.add(packYAML, packer)
		f := r.fill("live")
		to := packed(t, r)
		f.SetHeader([]byte("bad header"))
		f.Append(media.Packet{}, []byte("x"))
		synctest.Wait()
		if st := runner.Status(); !to.Log.Ended() || st.Sessions != 0 || st.Faults != 1 {
			t.Errorf("ended %v, %+v", to.Log.Ended(), st)
		}
		if snap := r.points["live"].Snapshot(); !snap.HasSource || snap.State != point.Live || len(snap.Renditions) != 1 {
			t.Errorf("%+v", snap)
		}
		r.room.Close()
	})
}

// TestPackagerIsReplaced: a packager that ended by its faults is started again while
// its source lives, each time after twice the wait, and goes on behind what it failed at.
func TestPackagerIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		runner := r.add(packYAML, packer)
		f := r.fill("live")
		first := packed(t, r)
		f.SetHeader([]byte("bad header"))
		f.Append(media.Packet{}, []byte("x"))
		synctest.Wait()
		for i, want := range []uint64{1, 2, 2, 3, 3, 3, 3, 4} { // after 0, 1, 3 and 7 s
			if st := runner.Status(); st.Faults != want {
				t.Fatalf("%d faults after %d s, want %d", st.Faults, i, want)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		f.SetHeader([]byte("good"))
		f.Append(media.Packet{}, []byte("y"))
		time.Sleep(lastWait)
		f.Append(media.Packet{}, []byte("z"))
		to := packed(t, r)
		if got := readAll(to.Log); to == first || !strings.HasSuffix(got, "[packed good]<z>") {
			t.Errorf("%s", got)
		}
		for range maxForgiven {
			f.Append(media.Packet{}, []byte("bad"))
			synctest.Wait()
		}
		f.Append(media.Packet{}, []byte("on"))
		time.Sleep(lastWait)
		if got := readAll(packed(t, r).Log); got != "[packed good]<on>" {
			t.Errorf("%s", got)
		}
		runner.Disable("a test")
		time.Sleep(2 * lastWait)
		if st := runner.Status(); st.Sessions != 0 {
			t.Errorf("%d sessions", st.Sessions)
		}
		r.room.Close()
	})
}
