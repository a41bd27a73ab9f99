package host_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/handover"
)

// successor is a new process in the words of the take-over connection. It can die at any step.
type successor struct {
	t *testing.T
	c *handover.Conn
}

// succeed connects to the server's gate.
func succeed(t *testing.T, s *hosttest.Server) *successor {
	t.Helper()
	c, err := handover.Dial(filepath.Join(s.Dir(), "weir.sock.takeover"))
	if err != nil {
		t.Fatal(err)
	}
	return &successor{t, c}
}

// die lets go of everything, as the end of a process does.
func (x *successor) die() {
	x.c.Close()
	x.c.CloseFiles()
}

// say sends a message.
func (x *successor) say(k handover.Kind, v any) {
	x.t.Helper()
	if err := x.c.Send(k, v); err != nil {
		x.t.Fatal(err)
	}
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// until reads to the first frame of a kind. Its files are closed with all others.
func (x *successor) until(k handover.Kind) handover.Frame {
	x.t.Helper()
	for {
		f, err := x.c.Read()
		if err != nil {
			x.t.Fatalf("waiting for %v: %v", k, err)
		}
		f.Close()
		if f.Kind == k {
			return f
		}
	}
}

func (x *successor) greet() {
	x.t.Helper()
	x.say(handover.Hello, handover.NewGreeting(os.Getpid(), "test", []string{"live"}))
	x.until(handover.Hello)
}

func (x *successor) commit(keeps ...string) {
	x.t.Helper()
	x.until(handover.Ready)
	x.say(handover.Commit, handover.Group{What: "tcp", Addresses: keeps})
	x.until(handover.Committed)
}

// TestSuccessorDies: whatever step a new process dies at before it serves, the old one goes on as if nothing had been; and if it dies with a source that
// it has not answered for, that goes on in the old one.
func TestSuccessorDies(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, strings.Replace(broadcastYAML, "127.0.0.1:0", freeAddress(t), 1))
	b := air(t, s, 2)
	at := s.URL("web", "http", "/nothing")
	for _, step := range []struct {
		at string
		do func(x *successor)
	}{
		{"connected", func(*successor) {}},
		{"greeted", (*successor).greet},
		{"got a socket", func(x *successor) { x.greet(); x.until(handover.Sockets) }},
		{"ready", func(x *successor) { x.greet(); x.until(handover.Ready) }},
		{"committed, wants the socket", func(x *successor) { x.greet(); x.commit("web") }},
		{"committed, wants nothing", func(x *successor) { x.greet(); x.commit() }},
		{"speaks nonsense", func(x *successor) { x.greet(); x.say(handover.Settled, handover.Tally{}) }},
		{"packets of nothing", func(x *successor) { x.greet(); x.say(handover.Packet, "x") }},
	} {
		t.Run(step.at, func(t *testing.T) {
			x := succeed(t, s)
			step.do(x)
			x.die()
			s.Wait("the server answers", func() bool {
				resp, err := http.Get(at)
				if err == nil {
					resp.Body.Close()
				}
				return err == nil
			})
			s.Wait("the server takes commands", func() bool {
				err := s.Disable("wmsp2", "")
				return err != nil && strings.Contains(err.Error(), "no plugin")
			})
			b.attach(1)
		})
	}
	x := succeed(t, s)
	x.greet()
	x.commit("web")
	x.say(handover.Serving, handover.Text{})
	x.until(handover.Move)
	x.die() // it has the connection, and dies
	sent := b.viewers[0].packets()
	s.Wait("the source goes on", func() bool { return b.viewers[0].packets() > sent+10 })
	b.whole()
}

// TestRefusesTakeOver: another version, another process at the same time, and a change of the configuration meanwhile.
func TestRefusesTakeOver(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 1)
	reason := func(x *successor) string {
		var why handover.Text
		if err := handover.Unmarshal(x.until(handover.Refuse).Body, &why); err != nil {
			t.Fatal(err)
		}
		x.die()
		return why.Text
	}
	x := succeed(t, s)
	g := handover.NewGreeting(1, "9.0", nil)
	g.Version = 99
	x.say(handover.Hello, g)
	if why := reason(x); !strings.Contains(why, "version 99") {
		t.Errorf("another version: %s", why)
	}
	x = succeed(t, s)
	x.greet()
	y := succeed(t, s)
	y.say(handover.Hello, handover.NewGreeting(2, "test", nil))
	if why := reason(y); !strings.Contains(why, fmt.Sprintf("process %d is taking over", os.Getpid())) {
		t.Errorf("a second one: %s", why)
	}
	if next, err := s.TryTakeOver(broadcastYAML); err == nil {
		next.Close()
		t.Error("a second process took over")
	}
	x.die()
	s.Wait("another may try", func() bool { return strings.Contains(s.Log(), "the take-over has failed") })
	if _, err := s.TryTakeOver("listeners: {web: {address: nonsense}}"); err == nil {
		t.Error("a server with a wrong configuration took over")
	}
	b.s = s.TakeOver()
	b.attach(1)
	b.whole()
}

// TestOtherListeners: the new configuration has a listener more, and the next one a listener less.
func TestOtherListeners(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 2)
	at := s.Addr("web")
	next, err := s.TryTakeOver(strings.Replace(broadcastYAML, `{web: {address: "127.0.0.1:0"}}`, `{web: {address: "`+at+`"}, more: {address: "127.0.0.1:0"}}`, 1))
	if err != nil {
		t.Fatal(err)
	}
	b.s = next
	b.attach(1)
	if next.Addr("more") == at {
		t.Error("two listeners have one address")
	}
	// The one after that leaves the first address, which is then free.
	other := next.Addr("more")
	last, err := next.TryTakeOver(strings.Replace(broadcastYAML, `127.0.0.1:0`, other, 1))
	if err != nil {
		t.Fatal(err)
	}
	b.s = last
	b.attach(1)
	if _, err := http.Get("http://" + at + "/nothing"); err == nil {
		t.Error("the address that was given up is answered at")
	}
	b.whole()
}

// TestPredecessorDies: the old process dies in the middle of the take-over; the new one runs with the sockets that it has got.
func TestPredecessorDies(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, broadcastYAML)
	s.Close()
	gate, err := handover.Listen(filepath.Join(s.Dir(), "weir.sock.takeover"))
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	died := make(chan error, 1)
	go func() { died <- dieWith(gate, socket.(*net.TCPListener)) }()
	next := s.TakeOver()
	if err := <-died; err != nil {
		t.Fatal(err)
	}
	if now := next.Addr("web"); now != socket.Addr().String() {
		t.Errorf("the new server listens on %s, not on %s", now, socket.Addr())
	}
	if !strings.Contains(next.Log(), "has died while this one took over") {
		t.Error("the new server does not say so")
	}
	b := air(t, next, 1)
	b.whole()
}

// dieWith is an old process that dies when it has sent a socket.
func dieWith(gate *net.UnixListener, socket *net.TCPListener) error {
	defer gate.Close()
	sock, err := gate.AcceptUnix()
	if err != nil {
		return err
	}
	c := handover.NewConn(sock)
	defer c.Close()
	if _, err = c.Read(); err != nil {
		return err
	}
	if err = c.Send(handover.Hello, handover.NewGreeting(1, "test", []string{"live"})); err != nil {
		return err
	}
	file, err := socket.File()
	if err != nil {
		return err
	}
	defer file.Close()
	group := handover.Group{What: "tcp", Name: "web", Addresses: []string{socket.Addr().String()}}
	return c.Write(handover.Sockets, 0, []int{int(file.Fd())}, handover.Marshal(group))
}
