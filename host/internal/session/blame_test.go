package session

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/sdk"
)

const sorryYAML = `
name: sorry
roles: [control, announce]
listens:
  http: [{name: any, methods: [GET, HEAD], path: "/{point}"}]
  raw: [{name: sin, offset: 0, hex: "AABBCCDD"}]
  rtsp: true
refusal: {status: 429, retry_after: 2s, type: application/x-sorry, body: "sorry\n"}
`

// sinsWhenTold traps on input, or a request, with "ruin" in it.
func sinsWhenTold(seen *recorder) handler {
	return func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			if strings.Contains(string(e.Path), "ruin") {
				panic("a ruinous request")
			}
			v.RespondText(200, 0, "fine")
		case *abi.Data:
			if bytes.Contains(e.Bytes, []byte("ruin")) {
				panic("a ruinous byte")
			}
			v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			seen.add("data " + string(e.Bytes))
		case *abi.Datagrams:
			if bytes.Contains(e.Bytes, []byte("ruin")) {
				panic("a ruinous datagram")
			}
			seen.add("datagram " + string(e.Bytes))
		}
		return nil
	}
}

// line is a raw connection without a socket.
type line struct {
	*Session
	in *inlet
}

func openLine(r *Runner, peer string) line {
	s := r.newSession(kindRaw, peer)
	in := newInlet(s.markReady)
	s.conns = []*conn{{number: 1, in: in}}
	s.w.add(s)
	s.enqueue(&abi.ConnOpen{Head: abi.Head{Conn: 1}})
	return line{s, in}
}

// bring lets input come.
func (l line) bring(text string) { l.in.write([]byte(text)) }

func flowFrom(peer string) *fakeFlow {
	f := newFlow(0)
	f.remote = netip.MustParseAddrPort(peer)
	return f
}

// TestNetworkIsPutAside: a fault keeps its network out, for twice as long each time, and
// nobody else; then it is let in again, and forgotten.
func TestNetworkIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
		bad, neighbour, good := netip.MustParseAddrPort("192.0.2.9:1"), netip.MustParseAddrPort("192.0.2.200:1"), netip.MustParseAddrPort("198.51.100.1:1")
		for i := range 8 {
			wait := min(time.Second<<i, time.Minute)
			if no := runner.refuses(bad); no != nil {
				t.Fatalf("round %d: refused before its fault: %+v", i, no)
			}
			l := openLine(runner, bad.String())
			l.bring("ruin")
			if synctest.Wait(); !l.inbox.over.Load() {
				t.Fatalf("round %d: the session goes on", i)
			}
			for _, peer := range []netip.AddrPort{bad, neighbour} {
				if no := runner.refuses(peer); no == nil || no.reason != reasonThrottled || no.wait != wait {
					t.Errorf("round %d: %v is refused with %+v, want %v", i, peer, no, wait)
				}
			}
			if no := runner.refuses(good); no != nil {
				t.Errorf("round %d: an innocent is refused: %+v", i, no)
			}
			if st := runner.Status(); len(st.Aside) != 1 || st.Aside[0].Faults != uint64(i+1) || time.Until(st.Aside[0].Until) != wait {
				t.Errorf("round %d: status %+v", i, st.Aside)
			}
			time.Sleep(wait)
		}
		if st := runner.Status(); st.State.Phase != Running || st.TurnedAway[reasonThrottled] != 16 || len(st.Aside) != 0 {
			t.Errorf("%+v", st)
		}
		time.Sleep(quietNetwork + time.Minute)
		if runner.refuses(bad) != nil || runner.blame.isSoiled.Load() || len(runner.blame.throttle.nets) != 0 {
			t.Errorf("not forgotten: %v", runner.blame.throttle.nets)
		}
		r.room.Close()
	})
}

// TestQuarantineForFaults: faults from three networks keep everybody new out, for a
// while; who is there already is served on, and it ends by itself.
func TestQuarantineForFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		runner := r.add(sorryYAML, sinsWhenTold(seen))
		there, fresh := openLine(runner, "203.0.113.1:1"), netip.MustParseAddrPort("203.0.113.2:1")
		for round, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			for i := range guiltyNetworks {
				if st := runner.State(); st.Phase != Running {
					t.Fatalf("round %d: %+v after %d faults", round, st, i)
				}
				openLine(runner, fmt.Sprintf("198.51.%d.1:1", 10*round+i)).bring("ruin")
				synctest.Wait()
			}
			st := runner.State()
			if st.Phase != Quarantined || time.Until(st.Until) != wait || !st.Works() {
				t.Fatalf("round %d: %+v, want a quarantine of %v", round, st, wait)
			}
			if no := runner.refuses(fresh); no == nil || no.reason != string(Quarantined) || no.wait != wait {
				t.Errorf("round %d: a newcomer is refused with %+v", round, no)
			}
			runner.keepOut(wait) // faults of those who are there make it no shorter
			there.bring(fmt.Sprint("round ", round))
			synctest.Wait()
			seen.wait(t, fmt.Sprint("data round ", round))
			time.Sleep(wait - 1)
			if runner.State().Phase != Quarantined {
				t.Errorf("round %d: it ended early", round)
			}
			time.Sleep(time.Nanosecond)
			if no := runner.refuses(fresh); no != nil || runner.State().Phase != Running {
				t.Errorf("round %d: afterwards a newcomer is refused: %+v", round, no)
			}
		}
		if st := runner.Status(); st.Quarantines != 3 || st.TurnedAway[string(Quarantined)] != 3 || st.Sessions != 1 {
			t.Errorf("%+v", st)
		}
		r.room.Close()
	})
}

// TestRefusalsInItsWords: whatever keeps a plugin from taking somebody, it is said in the
// words that the plugin has declared, on each of its protocols.
func TestRefusalsInItsWords(t *testing.T) {
	r := newRig(t, true)
	runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
	at := r.listen()
	refused := func(why string, wait int) {
		t.Helper()
		began := time.Now()
		defer func() { t.Logf("%s: %v", why, time.Since(began)) }()
		soon := func(text string) bool { // a second may have passed
			if wait == 0 {
				return text == ""
			}
			n, err := strconv.Atoi(text)
			return err == nil && n <= wait && n >= wait-1
		}
		for _, method := range []string{"GET", "HEAD"} {
			resp, err := http.ReadResponse(bufio.NewReader(r.dial(at, method+" /x HTTP/1.1\nHost: x\n\n")), &http.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if want := map[string]string{"GET": "sorry\n"}[method]; resp.StatusCode != 429 || string(body) != want ||
				resp.Header.Get("Content-Type") != "application/x-sorry" || !soon(resp.Header.Get("Retry-After")) {
				t.Errorf("%s: %s: %d %v %q", why, method, resp.StatusCode, resp.Header, body)
			}
		}
		b, err := io.ReadAll(r.dial(at, "OPTIONS rtsp://x/live RTSP/1.0\nCSeq: 41\n\n"))
		mark := "Connection: close"
		if wait > 0 {
			mark = "Retry-After: "
		}
		head, rest, _ := strings.Cut(string(b), mark)
		after, rest, _ := strings.Cut(rest, "\r\n")
		if err != nil || head != "RTSP/1.0 503 Service Unavailable\r\nCSeq: 41\r\n" || !soon(after) || !strings.HasSuffix(rest, "\r\n\r\nsorry\n") {
			t.Errorf("%s: RTSP: %q %v", why, b, err)
		}
		if b, _ := io.ReadAll(r.dial(at, "\xAA\xBB\xCC\xDDhello")); len(b) > 0 {
			t.Errorf("%s: a raw connection: %q", why, b)
		}
		if no := runner.refuses(netip.MustParseAddrPort("127.0.0.1:9")); no == nil {
			t.Errorf("%s: a flow is taken", why)
		}
	}
	if code, text := ask(t, r.dial(at, fmt.Sprintf(request, "ruin"))); code != 429 || text != "sorry\n" {
		t.Errorf("the guilty is told %d %q", code, text)
	}
	for range 5 {
		runner.blame.guilty(time.Now(), networkOf(netip.MustParseAddr("127.0.0.1")))
	}
	refused("throttled", 32)
	if st := runner.Status(); st.TurnedAway[reasonThrottled] != 5 {
		t.Errorf("%v", st.TurnedAway)
	}
	runner.state.Store(&State{Phase: Quarantined, Until: time.Now().Add(30 * time.Second), faulty: true})
	refused("quarantined", 30)
	runner.setState(Starting, "")
	refused("starting", 2)
	runner.Disable("for a test")
	if runner.Generation() != nil {
		t.Fatal("a generation is left")
	}
	refused("disabled", 0)
	other, err := r.room.Add(PluginOptions{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	other.SetManifest(&manifest.Manifest{Refusal: manifest.Refusal{Status: 508}})
	other.SetFailed("it is broken")
	if a := other.refuses(netip.AddrPort{}).answer(other.words()); a.status != 508 || string(a.body) != "the plugin other is failed\n" {
		t.Errorf("never loaded: %d %q", a.status, a.body)
	}
}

// TestHostileNetwork: a network has opened a thousand sessions, each of which makes the
// plugin fault. It is kept out from the first on; everybody else is answered all along,
// and each fault costs the start of one instance.
func TestHostileNetwork(t *testing.T) {
	const sessions, asks = 1000, 300
	r := newRig(t, true)
	seen := newRecorder()
	runner := r.add(sorryYAML, sinsWhenTold(seen))
	g := runner.Generation().(*generation)
	at := r.listen()
	bad := make([]net.Conn, sessions)
	for i := range bad {
		bad[i] = r.dialFrom("127.66.6.6", at, "\xAA\xBB\xCC\xDD")
	}
	r.waitSessions(runner, sessions)
	until(t, "not all are served", func() bool { return len(seen.list()) >= sessions })
	var all sync.WaitGroup
	all.Go(func() {
		for i, c := range bad {
			if _, err := io.WriteString(c, "ruin"); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		}
		for i, c := range bad {
			if b, _ := io.ReadAll(c); len(b) > 0 {
				t.Errorf("session %d gets %q", i, b)
			}
		}
	})
	slowest := time.Duration(0)
	for i := range asks {
		began := time.Now()
		if code, text := ask(t, r.dial(at, fmt.Sprintf(request, "x"))); code != 200 {
			t.Fatalf("ask %d: %d %q", i, code, text)
		}
		slowest = max(slowest, time.Since(began))
	}
	all.Wait()
	code, _ := ask(t, r.dialFrom("127.66.6.7", at, fmt.Sprintf(request, "x")))
	st := runner.Status()
	if code != 429 || st.Faults != sessions || st.Sessions != 0 || st.State.Phase != Running {
		t.Errorf("its neighbour gets %d; %d faults, %d sessions, %+v", code, st.Faults, st.Sessions, st.State)
	}
	if len(st.Aside) != 1 || st.Aside[0].Faults != sessions || time.Until(st.Aside[0].Until) < 50*time.Second {
		t.Errorf("put aside: %+v", st.Aside)
	}
	// The first frame may bring 64 of them, who are found out by halves.
	if n := g.started.Load(); n > 1+sessions+abi.MaxFrameEvents {
		t.Errorf("%d instances for %d faults", n, sessions)
	}
	t.Logf("%d instances for %d faults; the slowest of %d answers to others took %v", g.started.Load(), sessions, asks, slowest)
}

// TestBlameCostsNothing: what each frame pays for the judgement, and each session of it
// while some network is put aside.
func TestBlameCostsNothing(t *testing.T) {
	r := newRig(t, false)
	runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
	runner.one().do(func() {
		w, now := runner.one(), time.Now()
		batch := []*Session{{links: &links{network: testNet(1)}}, {links: &unlinked}, {links: &links{network: testNet(2)}}}
		frame := func() {
			if len(w.setAside(batch)) != len(batch) {
				t.Error("an innocent is set aside")
			}
			runner.blame.handled(now, len(batch))
		}
		if n := testing.AllocsPerRun(100, frame); n != 0 {
			t.Errorf("%v allocations a frame", n)
		}
		runner.blame.guilty(now, testNet(3))
		if n := testing.AllocsPerRun(100, frame); n != 0 {
			t.Errorf("%v allocations a frame with a network put aside", n)
		}
	})
}

// TestAsideTurns: while others are ready, sessions set aside get no more than their share
// of the time; alone they get all of it.
func TestAsideTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		const cost = 10 * time.Millisecond
		runner := r.add(sorryYAML, func(*memo, abi.Record, *sdk.Verdicts) error {
			time.Sleep(cost)
			return nil
		})
		runner.one().do(func() {
			w := runner.one()
			for range 5 {
				s := runner.newSession(kindRaw, "192.0.2.9:1")
				w.sessions[s.id] = s
				s.inbox.open().queue = []abi.Event{&abi.Timer{}}
				w.aside.add(s)
			}
			began := time.Now()
			for i, step := range []struct {
				others bool
				after  time.Duration // since the last
				left   int
			}{
				{true, 0, 4},
				{true, 0, 4},
				{true, (asideShare-1)*cost - 1, 4},
				{true, 1, 3},
				{true, 1, 3},
				{false, 0, 2}, // nobody else
				{false, 0, 1},
				{true, 0, 1},
				{true, time.Minute, 0},
				{true, time.Minute, 0},
			} {
				time.Sleep(step.after)
				left := 0
				w.handleAside(step.others)
				for _, l := range w.aside {
					left += len(l.waiting)
				}
				if left != step.left {
					t.Errorf("step %d, at %v: %d wait, want %d", i, time.Since(began), left, step.left)
				}
			}
		})
		r.room.Close()
	})
}
