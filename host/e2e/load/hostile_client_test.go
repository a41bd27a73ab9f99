//go:build linux

package load_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// assault is a server with a plugin that can be killed, viewers whom that plugin attached, and clients of many networks.
type assault struct {
	*hosttest.Server
	t        *testing.T
	at       string
	audience *audience
	viewers  []*seat
	form     *form
	encoder  *encoder
}

func newAssault(t *testing.T, length time.Duration) *assault {
	t.Helper()
	s := hosttest.Start(t, plugins+"  grenade: {module: \"builtin:grenade\", listeners: [web], grant: {attach: [\"*\"]}}\n"+
		"points:\n  live: {source: push, buffer: 10s, grace: 0s}\n", hosttest.WithModule("grenade", grenade(t, "grenade", "PIN")))
	const lead = 11 * time.Second
	f := asfFilm(t, 0, lead+length, bystanderRate)
	x := &assault{Server: s, t: t, at: s.Addr("web"), form: f.overHTTP("grenade/live")}
	x.encoder = push(t, x.at, "live", f, true, lead)
	ready(t, s, "live", "asf", uint64(lead/f.step)-1)
	x.audience = newAudience(t)
	x.viewers = sit(scale(20, 200), habit{}, x.form)
	x.audience.join(x.at, x.viewers)
	x.audience.wait("watch", x.viewers, func(s *seat) bool { return s.first >= 0 })
	return x
}

// TestHostileClient: one client knows how to crash a plugin, and does so again and again over sessions that it opened before, while it asks for new ones. Its
// sessions end and its network is refused for a while; everybody else keeps the protocol, and those who watch lose no byte. Only when the crashes come from
// several networks is the plugin put aside; it comes back by itself.
func TestHostileClient(t *testing.T) {
	x := newAssault(t, scale(4*time.Minute, 40*time.Minute))
	t.Run("one network", x.oneNetwork)
	t.Run("three networks", x.threeNetworks)
	n := x.encoder.finish()
	x.audience.ended(x.viewers, map[*form]int{x.form: n})
	for _, name := range []string{"push", "asf", "wmsp", "http"} {
		if p := x.Plugin(name); p.State != "running" || p.Faults > 0 {
			t.Errorf("plugin %s is %s with %d faults: %+v", name, p.State, p.Faults, p.LastFault)
		}
	}
}

func (x *assault) oneNetwork(t *testing.T) {
	crashes := scale(50, 1000)
	const hostile = "127.66.0.1"
	var bombs []*line
	for i := range crashes {
		l, err := pin(hostile, x.at, "PIN")
		if err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
		bombs = append(bombs, l)
	}
	good := x.goodClients(t, 8)
	again := x.insists(t, hostile)
	before := x.Plugin("grenade").Faults
	began := time.Now()
	for i, l := range bombs {
		if err := l.throw("die"); err != nil {
			t.Errorf("crash %d: %v", i, err)
		}
	}
	took := time.Since(began)
	a, err := ask("127.66.0.77", x.at, "/grenade") // a neighbour in the hostile network
	if wait, _ := strconv.Atoi(a.field("Retry-After")); err != nil || a.status != 503 || wait < 1 || wait > 60 {
		t.Errorf("a client of the hostile network gets %d %q, %v", a.status, a.head, err)
	}
	if l, err := pin(hostile, x.at, "PIN"); err == nil {
		t.Error("the hostile client gets a new session")
		l.conn.Close()
	}
	answers := good()
	asked := again()
	p := x.Plugin("grenade")
	let := int(p.Faults-before) - crashes
	if let < 0 || p.State != "running" {
		t.Errorf("%d crashes are %d faults; the plugin is %s (%s)", crashes, p.Faults-before, p.State, p.Reason)
	}
	// A network waits 1, 2, 4 s and so on, up to a minute: that is let in seven times at most before it waits for a minute each time.
	if most := 7 + int(took/time.Minute); asked <= most || let > most {
		t.Errorf("of the hostile client's %d new requests %d were let in, at most %d", asked, let, most)
	}
	slices.Sort(answers)
	t.Logf("%d crashes in %v; of the hostile client's %d new requests %d were let in; %d answers to others, the median in %v, the slowest in %v",
		crashes, took.Round(time.Millisecond), asked, let, len(answers),
		answers[len(answers)/2].Round(10*time.Microsecond), answers[len(answers)-1].Round(time.Millisecond))
	x.audience.watched(x.viewers, int(x.encoder.sent.Load()))
}

// insists crashes the plugin by new requests as well, as fast as they are answered.
func (x *assault) insists(t *testing.T, from string) (stop func() (asked int)) {
	over, done := make(chan struct{}), make(chan struct{})
	asked, wrong := 0, 0
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ; ; <-tick.C {
			select {
			case <-over:
				return
			default:
			}
			a, err := ask(from, x.at, "/grenade?die")
			if err != nil || a.status != 503 || a.field("Retry-After") == "" {
				if wrong++; wrong == 1 {
					t.Errorf("the hostile client's request %d: %d %q, %v", asked, a.status, a.head, err)
				}
			}
			asked++
		}
	}()
	return func() int {
		close(over)
		<-done
		return asked
	}
}

// goodClients are clients of networks of their own: each holds a session open that must go on, and makes requests. stop gives how long each answer took.
func (x *assault) goodClients(t *testing.T, n int) (stop func() []time.Duration) {
	var over atomic.Bool
	var all sync.WaitGroup
	times := make([][]time.Duration, n)
	for i := range n {
		from := fmt.Sprintf("127.77.%d.1", i)
		l, err := pin(from, x.at, "PIN")
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer l.conn.Close()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for ; !over.Load(); <-tick.C {
				a, err := ask(from, x.at, "/grenade")
				if err != nil || a.status != 200 {
					t.Errorf("a client of another network: %d %q, %v", a.status, a.head, err)
				}
				began := time.Now()
				if err := l.say("hi"); err != nil {
					t.Errorf("a session of another network: %v", err)
					return
				}
				times[i] = append(times[i], a.took, time.Since(began))
			}
		})
	}
	return func() []time.Duration {
		over.Store(true)
		all.Wait()
		return slices.Concat(times...)
	}
}

// pinned opens a session that ends with the test.
func (x *assault) pinned(t *testing.T, from string) *line {
	t.Helper()
	l, err := pin(from, x.at, "PIN")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.conn.Close() })
	return l
}

// putAside is the grenade's declared refusal.
const putAside = "grenade is put aside\n"

func (x *assault) threeNetworks(t *testing.T) {
	innocent := x.pinned(t, "127.88.0.1")
	var bombs []*line
	for i := range 300 { // whoever brought most before counts for no more than they do
		bombs = append(bombs, x.pinned(t, fmt.Sprintf("127.99.%d.1", i%5)))
	}
	thrown := 0
	// Until it is enough: sessions that are open already may go on to crash it.
	for p := x.Plugin("grenade"); thrown < len(bombs) && p.State != "quarantined"; p = x.Plugin("grenade") {
		if err := bombs[thrown].throw("die"); err != nil {
			t.Errorf("crash: %v", err)
		}
		thrown++
	}
	p := x.Plugin("grenade")
	if p.State != "quarantined" || p.Until.IsZero() || time.Until(p.Until) > time.Minute {
		t.Fatalf("after %d crashes of five networks: state %s until %v", thrown, p.State, p.Until)
	}
	t.Logf("quarantined after %d crashes, for %v: %s", thrown, time.Until(p.Until).Round(100*time.Millisecond), p.Reason)
	a, err := ask("127.88.0.1", x.at, "/grenade")
	wait, _ := strconv.Atoi(a.field("Retry-After"))
	if err != nil || a.status != 503 || wait < 1 || wait > 60 || !strings.HasPrefix(a.field("Content-Type"), "text/plain") || a.body != putAside {
		t.Errorf("in quarantine: %d %q %q, %v", a.status, a.head, a.body, err)
	}
	if l, err := pin("127.88.0.1", x.at, "PIN"); err == nil {
		t.Error("in quarantine a new session is let in")
		l.conn.Close()
	}
	if err := innocent.say("hi"); err != nil {
		t.Logf("an innocent session that was open: %v", err)
	}
	x.audience.watched(x.viewers, int(x.encoder.sent.Load()))
	within(t, "the plugin comes back by itself", func() bool { return x.Plugin("grenade").State == "running" })
	if late := time.Since(p.Until); late < -100*time.Millisecond {
		t.Errorf("it came back %v before its time", -late)
	}
	if a, err := ask("127.88.0.1", x.at, "/grenade"); err != nil || a.status != 200 {
		t.Errorf("after the quarantine: %d %q, %v", a.status, a.head, err)
	}
	x.audience.watched(x.viewers, int(x.encoder.sent.Load()))
}
