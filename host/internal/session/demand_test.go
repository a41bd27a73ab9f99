package session

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// supplier feeds a point by packets of the toy format from a file.
func supplier(seen *recorder) handler {
	return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Start:
			seen.add("start")
			*m = append(memo(nil), e.Point...)
			v.Dial(2, e.URL, abi.DialLoop)
		case *abi.Dialed:
			if e.Code == abi.OK {
				v.Publish(*m, "bytes:toy", abi.PublishPace)
				v.FeedThrough(2)
			} else {
				v.Close(0, abi.CloseNow, "no such file")
			}
		case *abi.Stop:
			seen.add("stop")
			v.Close(0, abi.CloseNow, "stopped")
		}
		return nil
	}
}

const supplierYAML = `
name: supplier
roles: [source]
sources: [file]
capabilities: [publish, read]
state: {schema: supplier/1}
`

// TestDemand: a source is started for who asks, runs while somebody watches, and stops some
// time after; one that is asked for again starts again.
func TestDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 30 * time.Second
		r := newRig(t, false, point.Options{Name: "tv", URL: "file:x", Demand: idle, Grace: time.Second, Buffer: time.Minute})
		r.files["x"] = toyFile(600)
		p := r.points["tv"]
		seen := newRecorder()
		r.add(toyYAML, toy)
		r.add(supplierYAML, supplier(seen))
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := p.Snapshot(); s.State != point.Idle || len(seen.list()) != 0 {
			t.Fatalf("%v, seen %q while nobody asks", s.State, seen.list())
		}
		for round := range 2 {
			began := time.Now()
			r.room.hold(t.Context(), p)
			if s := p.Snapshot(); s.State != point.Live || time.Since(began) > holdTime {
				t.Fatalf("held for %v: %v", time.Since(began), s.State)
			}
			viewed, err := p.Join("toy", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * idle)
			synctest.Wait()
			if s := p.Snapshot(); s.State != point.Live {
				t.Fatalf("%v with a viewer", s.State)
			}
			viewed.Leave()
			time.Sleep(idle - time.Second)
			synctest.Wait()
			if s := p.Snapshot(); s.State != point.Live {
				t.Fatalf("%v before its time", s.State)
			}
			time.Sleep(idle/wishLooks + 2*time.Second)
			synctest.Wait()
			if s := p.Snapshot(); s.State != point.Idle || len(s.Renditions) != 0 {
				t.Fatalf("%v with %d renditions after it", s.State, len(s.Renditions))
			}
			if got, want := fmt.Sprint(seen.list()), fmt.Sprint([]string{"start", "stop", "start", "stop"}[:2*round+2]); got != want {
				t.Fatalf("seen %s, want %s", got, want)
			}
		}
		r.room.Close()
	})
}

// stuckLog is a log that keeps whoever writes one message until it is opened.
type stuckLog struct {
	slog.Handler
	message string
	open    chan struct{}
}

// Enabled has all written.
func (stuckLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle waits, or does what the handler below does.
func (g stuckLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == g.message {
		<-g.open
	}
	return g.Handler.Handle(ctx, r)
}

// TestCloseWaitsForAlarm: the room does not end while a source is being stopped that nobody
// watches, and does not wait for the time at which another would be.
func TestCloseWaitsForAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "tv", URL: "file:x", Demand: 10 * time.Second}, point.Options{Name: "other", URL: "file:x", Demand: time.Hour})
		r.files["x"] = toyFile(600)
		r.add(toyYAML, toy)
		r.add(supplierYAML, supplier(newRecorder()))
		g := stuckLog{slog.DiscardHandler, "source is stopped: nobody watches", make(chan struct{})}
		r.room.log = slog.New(g)
		for _, p := range r.points {
			r.room.hold(t.Context(), p)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		began, ended := time.Now(), make(chan struct{})
		go func() {
			defer close(ended)
			r.room.Close()
		}()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("the room has ended; a source is still being stopped")
		default:
		}
		close(g.open)
		<-ended
		if took := time.Since(began); took > stopDeadline {
			t.Errorf("the room ended after %v", took)
		}
	})
}

// TestDemandFails: a request is not held for a source that cannot be started, and nothing is
// tried again once nobody asks any more.
func TestDemandFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = 10 * time.Second
		r := newRig(t, false, point.Options{Name: "tv", URL: "file:gone", Demand: idle, Grace: time.Second}, point.Options{Name: "slow", URL: "none:x", Demand: idle})
		p := r.points["tv"]
		seen := newRecorder()
		r.add(toyYAML, toy)
		r.add(supplierYAML, supplier(seen))
		began := time.Now()
		r.room.hold(t.Context(), p)
		if s := p.Snapshot(); s.State != point.Failed || time.Since(began) > time.Second {
			t.Fatalf("held for %v: %v", time.Since(began), s.State)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(seen.list()); n < 2 || n > 6 || p.Snapshot().State != point.Idle {
			t.Errorf("%d tries in ten seconds' interest, then %v", n, p.Snapshot().State)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.room.hold(ctx, r.points["slow"]) // a client that has left is not waited for
		p.Stop("for a test")
		began = time.Now()
		if r.room.hold(t.Context(), p); time.Since(began) > time.Second || p.Snapshot().State != point.Stopped {
			t.Errorf("held for %v at a point that is stopped: %v", time.Since(began), p.Snapshot().State)
		}
		r.room.Close()
	})
}

// silentYAML is of a plugin that takes a point to start and says nothing more.
const silentYAML = `
name: silent
roles: [source]
sources: [silent]
capabilities: [publish, read]
state: {schema: silent/1}
`

// TestDemandOfConnection: a raw session that watches a point whose source it starts is told
// of it once there is something to tell: that it is live, has failed or is stopped, or that
// the time is over.
func TestDemandOfConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = time.Minute
		r := newRig(t, false, point.Options{Name: "tv", URL: "file:x", Demand: idle, Buffer: time.Minute}, point.Options{Name: "gone", URL: "none:x", Demand: idle},
			point.Options{Name: "slow", URL: "silent:x", Demand: idle}, point.Options{Name: "off", URL: "file:x", Demand: idle}, point.Options{Name: "push"})
		r.files["x"] = toyFile(600)
		r.points["off"].Stop("for a test")
		r.add(toyYAML, toy)
		r.add(supplierYAML, supplier(newRecorder()))
		r.add(silentYAML, func(*memo, abi.Record, *sdk.Verdicts) error { return nil })
		seen := newRecorder()
		peers := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
			switch e := e.(type) {
			case *abi.ConnOpen:
				v.Watch(e.Listener) // which bears the point's name here
			case *abi.Point:
				seen.add(fmt.Sprintf("%s %v", e.Summary.Name, e.Summary.State))
			}
			return nil
		})
		sessions := map[string]*Session{}
		for name, want := range map[string]string{"tv": "live", "gone": "failed", "slow": "waiting", "off": "stopped", "push": "idle"} {
			s := peers.newPeer(kindRaw, netip.MustParseAddrPort("192.0.2.1:1"))
			s.conns = []*conn{{number: 1, in: newInlet(s.markReady)}}
			s.w.add(s)
			sessions[name] = s
			began := time.Now()
			s.enqueue(&abi.ConnOpen{Head: abi.Head{Conn: 1}, Listener: []byte(name)})
			got := seen.wait(t, name+" ")
			if took := time.Since(began); got != name+" "+want || (name == "slow") != (took == holdTime) || took > holdTime {
				t.Errorf("%q after %v, want %q", got, took, want)
			}
		}
		if n := strings.Count(fmt.Sprint(seen.list()), "slow"); n != 1 {
			t.Errorf("told of the slow point %d times", n)
		}
		sessions["slow"].enqueue(&abi.ConnOpen{Head: abi.Head{Conn: 1}, Listener: []byte("slow")}) // the next request of the same peer
		synctest.Wait()
		if n := strings.Count(fmt.Sprint(seen.list()), "slow waiting"); n != 2 {
			t.Errorf("told of the slow point %d times, and it was asked for twice: once is waited for in vain", n)
		}
		r.room.Close()
		if r.room.sources.wishes["off"] != nil {
			t.Error("somebody's wish for a point that is stopped is kept")
		}
	})
}
