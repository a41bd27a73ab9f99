package session

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk"
)

// TestCulprits: a fault of several counts for one more only if nobody of them counts yet.
func TestCulprits(t *testing.T) {
	who := func(names string) (all []culprit) {
		for _, n := range []byte(names) {
			all = append(all, culprit{party: networkOf(netip.AddrFrom4([4]byte{198, 51, n, 1}))})
		}
		return all
	}
	for _, c := range []struct {
		faults []string
		want   int
	}{
		{[]string{"a", "a"}, 1},
		{[]string{"a", "b", "c"}, 3},
		{[]string{"ax", "bx", "cx"}, 1}, // x may have done it all
		{[]string{"ab", "cd", "ef"}, 3},
		{[]string{"ab", "bc", "cd", "ae"}, 2}, // a and c may
		{[]string{"x", "ax", "a"}, 2},
		{[]string{"ab", "a", "b"}, 2},
		{[]string{"ab", "a", "bc", "c"}, 2},
		{[]string{"ab", "abc", "d"}, 2},
	} {
		var all culprits
		for i, f := range c.faults {
			all.add(who(f), int64(i))
		}
		if all.n != c.want {
			t.Errorf("%q: %d, not %d", c.faults, all.n, c.want)
		}
		if all.forget(int64(len(c.faults))); all.n != 0 || len(all.charges) != 0 {
			t.Errorf("%q: %d are not forgotten", c.faults, all.n)
		}
	}
	var many culprits
	for i := range 3 * maxCulprits {
		many.add([]culprit{nobody(), nobody()}, int64(i))
	}
	if many.n > maxCulprits/2+1 || len(many.charges) > maxCulprits {
		t.Errorf("%d, of %d", many.n, len(many.charges))
	}
}

// TestCrowdTakesABuildBack: a build that fails now and then, and never when an event is
// tried alone, is taken back by frames of different networks, and not by frames that one
// network has a part in, nor by those that run out of time.
func TestCrowdTakesABuildBack(t *testing.T) {
	for _, c := range []struct {
		name string
		kind plugin.Kind
		one  bool // network in all frames
		back bool
	}{
		{name: "different networks", kind: plugin.Trap, back: true},
		{name: "one among others", kind: plugin.Trap, one: true},
		{name: "out of time", kind: plugin.Deadline},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, false)
				answer := func(*memo, abi.Record, *sdk.Verdicts) error { return nil }
				runner := r.add(sorryYAML, answer)
				g := newGeneration(t, sorryYAML, answer)
				var fail bool
				g.trip = func([]byte) plugin.Kind {
					if fail {
						fail = false
						return c.kind
					}
					return 0
				}
				if err := runner.Enable(g); err != nil {
					t.Fatal(err)
				}
				always := runner.peer("203.0.113.1:1")
				for i := range 4 {
					all := []*fakeFlow{runner.peer(fmt.Sprintf("198.51.%d.1:1", i)), runner.peer(fmt.Sprintf("198.52.%d.1:1", i))}
					if c.one {
						all = append(all, always)
					}
					synctest.Wait()
					runner.one().do(func() {
						fail = true
						for _, f := range all {
							f.bring("hello")
						}
					})
					synctest.Wait()
					time.Sleep(time.Second)
				}
				if st := runner.Status(); (st.Generation != g.number) != c.back || st.Faults < 3 {
					t.Errorf("%d faults, rolled back: %q", st.Faults, st.RolledBack)
				}
				r.room.Close()
			})
		})
	}
}
