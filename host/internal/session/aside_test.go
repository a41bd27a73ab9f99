package session

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// TestOneIPv6Host: a host that owns a /48 comes from another of its networks each time,
// five times a second. It is one network: it is put aside whole after a few faults, and
// nobody else is ever refused.
func TestOneIPv6Host(t *testing.T) {
	for name, from := range map[string]func(i int) string{
		"neighbouring networks": func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i) },
		"scattered networks":    func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i*40503&0xffff) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, false)
				runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
				good := openLine(runner, "203.0.113.1:1")
				fresh := []netip.AddrPort{netip.MustParseAddrPort("203.0.113.2:1"), netip.MustParseAddrPort("[2001:db8:2::1]:1")}
				came := 0
				for second := range 120 {
					for range 30 {
						good.bring("x")
						time.Sleep(time.Second / 30)
					}
					for i := range 5 {
						at := netip.MustParseAddrPort(from(5*second + i))
						if runner.refuses(at) == nil {
							came++
							openLine(runner, at.String()).bring("ruin")
							synctest.Wait()
						}
					}
					for _, peer := range fresh {
						if no := runner.refuses(peer); no != nil {
							t.Fatalf("after %d s an innocent is refused: %+v", second, no)
						}
					}
				}
				st := runner.Status()
				// Two homes of three networks and five rounds each, then the site: 2·(2+5)+5 at most.
				if came > 20 || st.Faults != uint64(came) || st.Quarantines != 0 || good.inbox.over.Load() || len(runner.blame.throttle.nets) > 3 {
					t.Errorf("it came %d times; %d faults, %d quarantines, %d networks", came, st.Faults, st.Quarantines, len(runner.blame.throttle.nets))
				}
				r.room.Close()
			})
		})
	}
}

// TestForgedDatagrams: who sends datagrams may claim to be anybody. What they bring makes
// the plugin guilty no more than one network does, and keeps out nobody who connects.
func TestForgedDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
		there := openLine(runner, "198.51.7.1:1")
		for i := range 100 {
			flowFrom(fmt.Sprintf("198.51.%d.1:1", i)).open(runner).bring("ruin")
			synctest.Wait()
		}
		st := runner.Status()
		if st.Faults != 100 || st.Quarantines != 0 || len(st.Aside) != 100 || !st.Aside[0].Datagrams || runner.State().Phase != Running {
			t.Errorf("%+v", st)
		}
		if no := runner.refuses(netip.MustParseAddrPort("198.51.7.2:1")); no != nil {
			t.Errorf("who really is in a forged network is refused: %+v", no)
		}
		if f := netip.MustParseAddrPort("198.51.7.2:1"); runner.refusesOf(claimed(f), f) == nil {
			t.Error("datagrams of a guilty network are taken")
		}
		runner.one().do(func() {
			w := runner.one()
			flow := &Session{links: &links{network: claimed(netip.MustParseAddrPort("203.0.113.1:1"))}}
			if others := w.setAside([]*Session{flow, there.Session}); !slices.Equal(others, []*Session{there.Session}) {
				t.Errorf("%d are not set aside", len(others))
			}
			w.aside = nil
		})
		r.room.Close()
	})
}

// TestWhoIsSetAside: of a network that is put aside all wait who are not on air.
func TestWhoIsSetAside(t *testing.T) {
	r := newRig(t, false)
	runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
	runner.one().do(func() {
		w, now := runner.one(), time.Now()
		runner.blame.guilty(now, testNet(1))
		runner.blame.guilty(now, testNet(1))
		for name, c := range map[string]struct {
			s    *Session
			want bool
		}{
			"a connection":    {&Session{telling: telling{kind: kindRaw}, links: &unlinked}, true},
			"a request":       {&Session{telling: telling{kind: kindExchange}, links: &unlinked}, true},
			"a document":      {&Session{telling: telling{kind: kindDocument}, links: &unlinked}, true},
			"an encoder":      {&Session{telling: telling{kind: kindRaw}, links: &links{child: &Session{}}}, false},
			"its format":      {&Session{telling: telling{kind: kindFormat}, links: &links{parent: &Session{}}}, false},
			"a source":        {&Session{telling: telling{kind: kindSource}, links: &unlinked}, false},
			"a viewer":        {&Session{telling: telling{kind: kindExchange}, links: &unlinked, view: &view{}}, false},
			"a packager":      {&Session{telling: telling{kind: kindPackager}, links: &unlinked}, false},
			"who feeds alone": {&Session{telling: telling{kind: kindRaw}, links: &links{feed: &point.Feed{}}}, false},
		} {
			c.s.link().network = testNet(1)
			if got := len(w.setAside([]*Session{c.s})) == 0; got != c.want {
				t.Errorf("%s is set aside: %v", name, got)
			}
		}
		w.aside = nil
	})
}

// TestTurnsByNetwork: a thousand sessions of one network, of one IPv6 host or of
// datagrams have one turn as does one of another.
func TestTurnsByNetwork(t *testing.T) {
	var l lanes
	var all []*Session
	add := func(n int, of func(i int) network) {
		for i := range n {
			s := &Session{id: uint64(len(all)), links: &links{network: of(i)}}
			all = append(all, s)
			l.add(s)
		}
	}
	add(1000, func(int) network { return testNet(1) })
	add(1000, func(i int) network { return networkOf(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i))) })
	add(1000, func(i int) network {
		return claimed(netip.MustParseAddrPort(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256)))
	})
	add(1, func(int) network { return testNet(2) })
	add(2, func(int) network { return networkOf(netip.MustParseAddr("2001:db8:2::1")) })
	var got []uint64
	for s := l.take(); s != nil; s = l.take() {
		got = append(got, s.id)
	}
	if want := []uint64{0, 1000, 2000, 3000, 3001, 1, 1001, 2001, 3002, 2, 1002, 2002, 3, 1003, 2003}; len(got) != len(all) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("%d, at first %v", len(got), got[:min(len(got), 15)])
	}
	if len(l) != 0 {
		t.Errorf("%d are left", len(l))
	}
}

// TestOnAirBesideHostile: an encoder, whose network is put aside for what hundreds of
// others there do, is heard as before.
func TestOnAirBesideHostile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const spin, pause, hostile = 50 * time.Millisecond, 100 * time.Millisecond, 400
		r := newRig(t, false, point.Options{Name: "live"})
		seen := newRecorder()
		r.add(toyYAML, toy)
		runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
			d, ok := e.(*abi.Data)
			if !ok {
				return nil
			}
			v.Consume(1, d.Offset+uint64(len(d.Bytes)))
			switch {
			case bytes.Contains(d.Bytes, []byte("spin")):
				time.Sleep(spin)
			case bytes.Contains(d.Bytes, []byte("publish")):
				v.Publish([]byte("live"), "bytes:toy", 0)
			default:
				seen.add(string(d.Bytes))
			}
			return nil
		})
		encoder := openLine(runner, "192.0.2.1:1")
		encoder.bring("publish")
		synctest.Wait()
		if !r.points["live"].Snapshot().HasSource {
			t.Fatal("it is no source")
		}
		for range 6 {
			runner.blame.guilty(r.room.now(), encoder.network())
		}
		for i := range hostile {
			openLine(runner, fmt.Sprintf("192.0.2.2:%d", i+1)).bring("spin")
		}
		for i := range 100 {
			text := fmt.Sprint("packet ", i)
			encoder.bring(text)
			time.Sleep(pause)
			if all := seen.list(); len(all) == 0 || all[len(all)-1] != text {
				t.Fatalf("%s is not heard within %v; %d came", text, pause, len(all))
			}
		}
		runner.one().do(func() {
			if len(runner.one().aside) == 0 {
				t.Error("the hostile have had their turns already: nothing is proved")
			}
		})
		r.room.Close()
	})
}

// TestRefusalNamesSharing: whoever is refused for another's fault is told how it comes.
func TestRefusalNamesSharing(t *testing.T) {
	r := newRig(t, false)
	runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
	runner.blame.guilty(time.Now(), testNet(1))
	if no := runner.refuses(netip.MustParseAddrPort("198.51.1.77:1")); no == nil || !strings.Contains(no.text, "198.51.1.0/24") || !strings.Contains(no.text, "proxy") {
		t.Errorf("%+v", no)
	}
}

// dear is an error that counts how often it is written.
type dear struct{ written *int }

func (d dear) Error() string { *d.written++; return "dear" }

// TestReportsCostNoText: an attacker decides how often a fault is reported; nothing is
// written in full that nobody reads.
func TestReportsCostNoText(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		r := newRig(t, false)
		runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
		written := 0
		runner.one().do(func() {
			runner.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
			runner.report(&FaultReport{Fault: &plugin.Fault{Kind: plugin.Trap, Cause: errors.Join(dear{&written})}}, nil)
		})
		if got := written > 0; got != want {
			t.Errorf("at level %v it was written %d times", level, written)
		}
	}
}
