package host_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// TestPackagerTurnsAtKeyPacket: of two builds of wmsp whose framing differs in a byte of
// each packet, the second takes over at a key packet of the film, for all viewers at the
// same, and none is lost or doubled.
func TestPackagerTurnsAtKeyPacket(t *testing.T) {
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 5)
	const framed = "h := asf.DataChunkHead(uint32(n.Sequence), int(n.Size))"
	s.Replace("wmsp", changedBuild(t, "packager.go", framed, framed+"\n\t\th[8] = 7"))
	if err := s.Reload("wmsp"); err != nil {
		t.Fatal(err)
	}
	turned := func() bool {
		return !slices.ContainsFunc(b.viewers, func(v *viewer) bool {
			v.mu.Lock()
			defer v.mu.Unlock()
			return len(v.turns) == 0 && !v.isDone()
		})
	}
	s.Wait("the packets of the new build", turned)
	s.Wait("nobody stays with the old build", func() bool { return len(s.Plugin("wmsp").Staying) == 0 })
	b.whole()
	film := sample.Demo()
	h, err := asf.ParseHeader(film)
	if err != nil {
		t.Fatal(err)
	}
	at := map[uint32]bool{}
	for i, v := range b.viewers {
		n := slices.Index(v.marks, 7)
		if len(v.turns) != 1 || n <= 0 || slices.Contains(v.marks[n:], 0) {
			t.Errorf("viewer %d: %d turns, the first at %d", i, len(v.turns), n)
			continue
		}
		at[v.first+uint32(n)] = true
		var p asf.Packet
		if err := asf.ParsePacket(v.turns[0], h.PacketSize, &p); err != nil || !asf.KeyAt(h.Set(asf.Video), &p) {
			t.Errorf("viewer %d: the turn is no key packet: %v", i, err)
		}
	}
	if len(at) != 1 {
		t.Errorf("the viewers met the new build at packets %v", at)
	}
}

// TestReloadDrains: sessions that hold what the new build does not read stay with theirs,
// as the plan has said, and end in time, in the words of their protocol; who comes new
// meets the new build.
func TestReloadDrains(t *testing.T) {
	yaml := strings.Replace(broadcastYAML, `wmsp: {`, `wmsp: {drain: 3s, `, 1)
	s := hosttest.Start(t, strings.Replace(yaml, "drain: 3s", "drain: 1h", 1)) // the apply brings the time that it goes by
	b := air(t, s, 3)
	s.Replace("wmsp", rebuilt(t, "Tacoma/2", "schema: wmsp/1", "schema: wmsp/9"))
	plan, err := s.Plan(yaml)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := s.Apply(yaml)
	if err != nil {
		t.Fatal(err)
	}
	want := effects(plan)
	if got := effects(applied); !slices.Equal(got, want) {
		t.Errorf("applied:\n%q, planned:\n%q", got, want)
	}
	for _, p := range []hosttest.Plan{plan, applied} {
		if len(p.Changes) != 1 || !strings.HasPrefix(p.Changes[0].Note, "3 sessions stay with the old build for at most 3s") {
			t.Errorf("%+v", p.Changes)
		}
	}
	count := map[string]int{}
	for _, x := range applied.Sessions {
		count[x.Role+" "+x.Effect]++
	}
	if count["viewer stays"] != 3 || count["packager moves"] != 1 || len(count) != 2 {
		t.Errorf("%v", count)
	}
	if st := s.Plugin("wmsp").Staying; len(st) != 1 || st[0].Sessions != 3 || st[0].Until.IsZero() {
		t.Errorf("%+v", st)
	}
	b.attach(1)
	if v := b.viewers[3]; !strings.Contains(string(v.head), "Tacoma/2") {
		t.Errorf("the new viewer met %s", v.head)
	}
	for i, v := range b.viewers[:3] {
		s.Wait("a viewer's end", v.isDone)
		if v.err != nil || !v.ended {
			t.Errorf("viewer %d did not end as its protocol has it: %v", i, v.err)
		}
	}
	if st := s.Plugin("wmsp").Staying; len(st) != 0 {
		t.Errorf("after the drain time: %+v", st)
	}
	b.viewers = b.viewers[3:]
	b.whole()
}

// plays has a client of another network ask for the film, and gives the first line of
// the answer.
func plays(t *testing.T, s *hosttest.Server, network int) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(network), 1)}}
	conn, err := d.Dial("tcp", s.Addr("web"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET /live HTTP/1.0\r\nHost: weir\r\nUser-Agent: NSPlayer/7.10.0.3059\r\nPragma: no-cache,rate=1.000000,request-context=2\r\nPragma: xPlayStrm=1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("HTTP/1.0 200"))
	_, _ = io.ReadFull(conn, line)
	return string(line)
}

// TestBadBuildIsRolledBack: a build that panics on every third request is taken back by
// itself, and one that panics on each is not put in force; viewers lose nothing.
func TestBadBuildIsRolledBack(t *testing.T) {
	const answers = "\tswitch e := e.(type) {\n\tcase *abi.HTTPRequest:\n"
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 5)
	good := s.Plugin("wmsp")

	s.Replace("wmsp", changedBuild(t, "wmsp.go", answers, answers+"\t\tpanic(\"each\")\n"))
	if err := s.Reload("wmsp"); err == nil || !strings.Contains(err.Error(), "fails on HTTP_REQUEST") {
		t.Errorf("a build that panics on each request: %v", err)
	}
	if p := s.Plugin("wmsp"); p.Generation != good.Generation || p.Faults != 0 {
		t.Errorf("%+v", p)
	}

	s.Replace("wmsp", changedBuild(t, "wmsp.go", answers, answers+"\t\tif p.fastStart++; p.fastStart%3 == 0 { // 3 s, counted up\n\t\t\tpanic(\"the third\")\n\t\t}\n",
		"version: 0.1.0", "version: 0.3.0"))
	if err := s.Reload("wmsp"); err != nil {
		t.Fatal(err)
	}
	if p := s.Plugin("wmsp"); p.Version != "0.3.0" || p.RolledBack != "" {
		t.Errorf("%+v", p)
	}
	for network := 1; network <= 9; network++ {
		plays(t, s, network)
	}
	s.Wait("the old build", func() bool { return s.Plugin("wmsp").Generation == good.Generation })
	p := s.Plugin("wmsp")
	if p.State != "running" || p.Version != good.Version || !strings.Contains(p.RolledBack, "version 0.3.0") || !strings.Contains(p.RolledBack, "3 faults") {
		t.Errorf("%s %s %q", p.State, p.Version, p.RolledBack)
	}
	if !strings.Contains(s.Log(), "generation rolled back") {
		t.Error("the log does not say so")
	}
	for network := 20; network < 26; network++ {
		if line := plays(t, s, network); !strings.HasSuffix(line, " 200") {
			t.Errorf("after the roll-back a player got %q", line)
		}
	}
	b.whole()
}

// TestStatusWhileStarting: the status can be asked while a reload waits for a module.
func TestStatusWhileStarting(t *testing.T) {
	s := hosttest.Start(t, broadcastYAML)
	s.Replace("wmsp", slow(t))
	done := make(chan error)
	go func() { done <- s.Reload("wmsp") }()
	asked := 0
	for {
		select {
		case err := <-done:
			if err == nil || asked < 10 {
				t.Errorf("asked %d times, %v", asked, err)
			}
			return
		default:
			if s.Plugin("wmsp").State != "running" {
				t.Error("it does not run")
			}
			asked++
		}
	}
}

// TestInstancesByApply: the number of a plugin's instances is changed without a new
// generation; who watches goes on.
func TestInstancesByApply(t *testing.T) {
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 3)
	before := s.Plugin("wmsp")
	for _, n := range []int{3, 1, 2} {
		plan, err := s.Apply(strings.Replace(broadcastYAML, "wmsp: {", fmt.Sprintf("wmsp: {instances: %d, ", n), 1))
		if err != nil {
			t.Fatal(err)
		}
		if p := s.Plugin("wmsp"); p.Instances != n || p.Generation != before.Generation || len(plan.Sessions) != 0 {
			t.Errorf("%d instances: there are %d, generation %d, touched %v", n, p.Instances, p.Generation, plan.Sessions)
		}
		b.attach(3)
	}
	b.whole()
}
