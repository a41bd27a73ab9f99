package session

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const callerYAML = `
name: caller
roles: [control]
listens: {raw: [{name: call, hex: "43414C4C20"}]}
capabilities: [attach]
state: {schema: caller/1}
`

// caller dials what its connection's lines say, "CALL URL", and attaches the first flow.
func caller(seen *recorder) handler {
	return func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Data:
			return called(e, v)
		case *abi.Dialed:
			seen.add(fmt.Sprintf("dialed %d %v %s %s", e.Conn, e.Code, e.Local, e.Remote))
		case *abi.Datagrams:
			seen.add(fmt.Sprintf("%d brings %s", e.Conn, e.Bytes))
		case *abi.Attached:
			seen.add(fmt.Sprintf("attached %d", e.Conn))
		case *abi.Detached:
			seen.add(fmt.Sprintf("detached %d %s", e.Conn, e.Reason))
			p := v.Pieces()
			p.Text("detached\n")
			v.Write(1, p)
		case *abi.Refused:
			seen.add(fmt.Sprintf("refused %v %s", e.Code, e.Text))
			v.Close(0, abi.CloseNow, "refused")
		case *abi.End:
			seen.add(fmt.Sprintf("end %d", e.Conn))
			v.Close(0, abi.CloseNow, "gone")
		}
		return nil
	}
}

// called carries out the words of one line.
func called(e *abi.Data, v *sdk.Verdicts) error {
	if !strings.HasSuffix(string(e.Bytes), "\n") {
		return nil
	}
	v.Consume(1, e.Offset+uint64(len(e.Bytes)))
	words := strings.Fields(string(e.Bytes))
	p := v.Pieces()
	switch words[0] {
	case "CALL":
		for i, url := range words[1:] {
			v.Dial(uint32(2+i), []byte(url), 0)
		}
	case "SEND":
		p.Text("sent")
		v.Send(2, p)
	case "PLAY":
		v.Attach(abi.Attach{Conn: 2, Point: []byte("live"), Rendition: []byte("toy"), OnEnd: abi.AfterClose}, nil)
		p = v.Pieces()
		p.Text("playing\n")
		v.Write(1, p)
	case "DROP":
		v.Close(2, abi.CloseNow, "dropped")
	case "HERE":
		v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy")}, nil)
	}
	return nil
}

// readLine reads up to a line end.
func readLine(t *testing.T, c net.Conn) string {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; line = append(line, b[0]) {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("after %q: %v", line, err)
		}
	}
	return string(line)
}

// TestDialPeer: a flow to a stream's peer brings its datagrams, takes SEND, and becomes the
// viewer, beside which the stream goes on; once the flow is closed the stream may be the viewer.
func TestDialPeer(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live", Grace: time.Minute, Buffer: time.Minute})
	seen := newRecorder()
	r.add(callerYAML, caller(seen))
	feed := r.fill("live")
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	_ = peer.SetDeadline(time.Now().Add(20 * time.Second))
	at := peer.LocalAddr().(*net.UDPAddr).Port
	c := r.dial(r.listen(), fmt.Sprintf("CALL udp://peer:%d udp://peer:%d?odd\n", at, at))
	first := seen.wait(t, "dialed 2 OK 127.0.0.1:")
	second := seen.wait(t, "dialed 3 OK 127.0.0.1:")
	if want := fmt.Sprintf(" 127.0.0.1:%d", at); !strings.HasSuffix(first, want) || !strings.HasSuffix(second, want) {
		t.Fatalf("%s, %s", first, second)
	}
	sayText(t, c, "SEND\n")
	from := hearText(t, peer, "sent")
	if _, err := peer.WriteTo([]byte("report"), from); err != nil {
		t.Fatal(err)
	}
	seen.wait(t, "2 brings report")
	sayText(t, c, "PLAY\n")
	seen.wait(t, "attached 2")
	feed.Append(media.Packet{Flags: media.Key}, []byte("one"))
	if again := hearText(t, peer, "one"); again.String() != from.String() {
		t.Errorf("media from %v, SEND from %v", again, from)
	}
	if got := readLine(t, c); got != "playing\n" {
		t.Errorf("%q", got)
	}
	sayText(t, c, "DROP\n")
	seen.wait(t, "detached 2 closed")
	if got := readLine(t, c); got != "detached\n" {
		t.Errorf("%q", got)
	}
	sayText(t, c, "HERE\n")
	seen.wait(t, "attached 1")
	feed.Append(media.Packet{Flags: media.Key}, []byte("two\n"))
	if got := readLine(t, c); got != "two\n" {
		t.Errorf("%q", got)
	}
	if st := r.points["live"].Snapshot(); st.Viewers != 1 {
		t.Errorf("%d viewers", st.Viewers)
	}
}

func sayText(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hearText(t *testing.T, peer net.PacketConn, want string) net.Addr {
	t.Helper()
	b := make([]byte, 64)
	n, from, err := peer.ReadFrom(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("%q, %v; want %q", b[:n], err, want)
	}
	return from
}

// TestDialPeerRefused: what cannot be granted, or is no URL of a peer.
func TestDialPeerRefused(t *testing.T) {
	none := everything
	none.Attach, none.Publish = nil, nil
	many := "udp://peer:6000"
	for i := range maxPeerFlows {
		many += fmt.Sprintf(" udp://peer:%d", 6001+i)
	}
	for _, c := range []struct {
		urls  string
		grant Grant
		fails error
		want  string
	}{
		{"udp://peer:5000", none, nil, "refused EPERM sending to a peer is not granted"},
		{"udp://peer:5000", everything, nil, "dialed 2 OK"},
		{"udp://peer:5000?odd&ports=6970-6971", everything, nil, "dialed 2 OK"},
		{"udp://peer:5000", everything, netio.ErrTooManyPeers, "dialed 2 EBUSY"},
		{many, everything, nil, "refused ELIMIT"},
		{"udp://peer:0", everything, nil, "refused EINVAL"}, {"udp://peer:x", everything, nil, "refused EINVAL"}, {"udp://peer:5/x", everything, nil, "refused EINVAL"},
		{"udp://peer:5000?even", everything, nil, "refused EINVAL"}, {"udp://peer:5000?odd=1", everything, nil, "refused EINVAL"},
		{"udp://peer:5000?ports=80-90", everything, nil, "refused EINVAL"}, {"udp://peer:5000?ports=6970", everything, nil, "refused EINVAL"},
		{"udp://peer:5000?ports=6970-6970", everything, nil, "refused EINVAL"},
	} {
		r := newRig(t, false)
		r.room.dialPeer = func(o netio.PeerOptions) (flow, error) {
			if o.Local != netip.MustParseAddr("127.0.0.1") || o.Remote.Addr() != o.Local || o.Remote.Port() == 0 {
				t.Errorf("%+v", o)
			}
			if c.fails != nil {
				return nil, fmt.Errorf("dial: %w", c.fails)
			}
			return newFlow(o.Remote.Port()), nil
		}
		seen := newRecorder()
		runner := r.add(callerYAML, caller(seen))
		runner.SetGrant(c.grant)
		r.dial(r.listen(), "CALL "+c.urls+"\n")
		seen.wait(t, c.want)
		r.room.Close()
	}
}

// TestDialPeerEnds: the flows end with the session, and a refused batch leaves none open.
func TestDialPeerEnds(t *testing.T) {
	r := newRig(t, false)
	flows := make(chan *fakeFlow, 8)
	r.room.dialPeer = func(o netio.PeerOptions) (flow, error) {
		f := newFlow(o.Remote.Port())
		flows <- f
		return f, nil
	}
	seen := newRecorder()
	r.add(callerYAML, caller(seen))
	to := r.listen()
	c := r.dial(to, "CALL udp://peer:5000\n")
	seen.wait(t, "dialed 2 OK")
	c.Close()
	(<-flows).waitClosed(t)
	r.dial(to, "CALL udp://peer:5000 udp://peer:0\n")
	seen.wait(t, "refused EINVAL")
	(<-flows).waitClosed(t)
}

func FuzzParsePeerURL(f *testing.F) {
	f.Add("udp://peer:5004?odd&ports=6970-6999")
	f.Add("udp://peer:0?odd=%zz")
	f.Fuzz(func(t *testing.T, s string) {
		port, o, err := parsePeerURL(s)
		var no *denied
		switch {
		case err != nil && !errors.As(err, &no):
			t.Errorf("%q: %v", s, err)
		case err == nil && (port == 0 || o.High < o.Low || o.High > 0 && o.Low < leastPeerPort):
			t.Errorf("%q: %d %+v", s, port, o)
		}
	})
}
