package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk"
)

// dialFrom is dial from a loopback address of the caller's choice.
func (r *rig) dialFrom(from, to, text string) net.Conn {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return r.dialWith(d, to, text)
}

// framed is a rig whose plugin is asked by many clients in one frame.
type framed struct {
	*rig
	g      *generation
	runner *Runner
	codes  []int
	starts int // of instances, for the frame
}

// inOneFrame has requests for the paths come in one frame, each of a network of its own,
// and notes what they are answered with. judge gives a frame's fault.
func inOneFrame(t *testing.T, lossy bool, judge func([]byte) plugin.Kind, paths ...string) *framed {
	t.Helper()
	r := &framed{rig: newRig(t, true)}
	entered, gate := make(chan bool), make(chan bool)
	r.runner = r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if q, ok := e.(*abi.HTTPRequest); ok && string(q.Path) == "/gate" {
			entered <- true
			<-gate
		} else if ok {
			v.Metric("answered", 1)
		}
		v.RespondText(200, 0, "answered")
		return nil
	})
	r.g = r.runner.Generation().(*generation)
	r.g.trip, r.g.lossy = judge, lossy
	at := r.listen()
	first := r.dial(at, fmt.Sprintf(request, "gate"))
	<-entered
	under := r.room.nextID.Load()
	var conns []net.Conn
	for i, p := range paths {
		conns = append(conns, r.dialFrom(fmt.Sprintf("127.0.%d.1", i+1), at, fmt.Sprintf(request, p)))
		r.waitReady(r.runner, under, i+1) // in this order
	}
	r.starts = -int(r.g.started.Load())
	close(gate)
	ask(t, first)
	for _, c := range conns {
		code, _ := ask(t, c)
		r.codes = append(r.codes, code)
	}
	r.runner.one().do(func() {}) // what is counted after the answers is counted
	r.starts += int(r.g.started.Load())
	return r
}

func tripOn(kind plugin.Kind) func([]byte) plugin.Kind {
	return func(frame []byte) plugin.Kind {
		if bytes.Contains(frame, []byte("/guilty")) {
			return kind
		}
		return 0
	}
}

// TestBisection: of the 64 sessions of a frame only the guilty end, whoever and however
// many they are; all others are answered, once; and few instances start for it.
func TestBisection(t *testing.T) {
	const sessions, halvings = abi.MaxFrameEvents, 6
	random := rand.New(rand.NewPCG(4, 4)) //nolint:gosec // places, not secrets
	for round := range 9 {
		guilty := 1 + round%3
		paths := make([]string, sessions)
		for i := range paths {
			paths[i] = fmt.Sprint("p", i)
		}
		places := random.Perm(sessions)[:guilty]
		for _, i := range places {
			paths[i] = fmt.Sprint("guilty", i)
		}
		t.Run(fmt.Sprint(places), func(t *testing.T) {
			r := inOneFrame(t, false, tripOn(plugin.Trap), paths...)
			for i, code := range r.codes {
				if want := map[bool]int{true: 503, false: 200}[slices.Contains(places, i)]; code != want {
					t.Errorf("session %d: %d, want %d", i, code, want)
				}
			}
			st := r.runner.Status()
			if st.Faults != uint64(guilty) || len(st.Aside) != guilty || st.State.Phase != Running {
				t.Errorf("%d faults, %d networks put aside, %+v; want %d", st.Faults, len(st.Aside), st.State, guilty)
			}
			if n := r.counts.custom["answered"]; n != uint64(sessions-guilty) {
				t.Errorf("%d answers were applied", n)
			}
			if most := 1 + guilty*halvings; r.starts > most {
				t.Errorf("%d instances were started, want at most %d", r.starts, most)
			}
			t.Logf("%d guilty: %d instances started", guilty, r.starts)
			for _, f := range r.runner.Faults() {
				if f.Session == 0 || !f.Network.IsValid() || !bytes.Contains(f.Fault.Frame, []byte("/guilty")) || len(f.Fault.Frame) > 1024 {
					t.Errorf("report %+v with a frame of %d bytes", f, len(f.Fault.Frame))
				}
			}
		})
	}
}

// TestLostCarrier: a carrier's death blames nobody, unless one session's event alone
// brings it twice.
func TestLostCarrier(t *testing.T) {
	deaths := 0
	once := func(frame []byte) plugin.Kind {
		if !bytes.Contains(frame, []byte("/p")) {
			return 0
		}
		if deaths++; deaths == 1 {
			return plugin.Exit
		}
		return 0
	}
	twice := func(frame []byte) plugin.Kind { // as a whole, and one of them alone
		if bytes.Contains(frame, []byte("/p1")) {
			if deaths++; deaths <= 2 {
				return plugin.Exit
			}
		}
		return 0
	}
	often := func(frame []byte) plugin.Kind { // by the event of somebody else, again and again
		if bytes.Contains(frame, []byte("/company")) {
			if deaths++; deaths <= maxShared {
				return plugin.Exit
			}
		}
		return 0
	}
	for name, c := range map[string]struct {
		trip   func([]byte) plugin.Kind
		paths  []string
		codes  []int
		faults uint64
		guilty bool
		starts int
	}{
		"alone, in company":         {often, []string{"company"}, []int{200}, 1, false, maxShared},
		"in company, for ever":      {tripOn(plugin.Exit), []string{"guilty-company"}, []int{503}, 1, true, maxShared + 2},
		"killed from outside":       {once, []string{"p1", "p2", "p3"}, []int{200, 200, 200}, 1, false, 1},
		"alone, and from outside":   {once, []string{"p1"}, []int{200}, 1, false, 1},
		"killed twice from outside": {twice, []string{"p1", "p2"}, []int{200, 200}, 1, false, 2},
		"by a guilty one":           {tripOn(plugin.Exit), []string{"p1", "guilty", "p2", "p3"}, []int{200, 503, 200, 200}, 1, true, 3},
		"by two":                    {tripOn(plugin.Exit), []string{"guilty", "p1", "guilty"}, []int{503, 200, 503}, 2, true, 5},
		"by a lonely one":           {tripOn(plugin.Exit), []string{"guilty"}, []int{503}, 1, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			deaths = 0
			r := inOneFrame(t, true, c.trip, c.paths...)
			if !slices.Equal(r.codes, c.codes) {
				t.Errorf("%v, want %v", r.codes, c.codes)
			}
			st := r.runner.Status()
			if st.Faults != c.faults || (st.LastFault.Session != 0) != c.guilty || (len(st.Aside) > 0) != c.guilty {
				t.Errorf("%d faults, last %+v, aside %v", st.Faults, st.LastFault, st.Aside)
			}
			// The last death of all may need no new instance.
			if r.starts > c.starts || r.starts < c.starts-1 {
				t.Errorf("%d instances were started, want %d", r.starts, c.starts)
			}
		})
	}
}
