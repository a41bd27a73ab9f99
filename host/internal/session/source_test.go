package session

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/internal/point"
)

// source is how libshout brings a stream, once it knows that it may.
const source = "SOURCE /%s HTTP/1.0\nContent-Type: application/ogg\nice-public: 0\n\n"

// answerFirst reads what a client on libshout waits for.
func answerFirst(t *testing.T, conn net.Conn) {
	t.Helper()
	const want = "HTTP/1.0 200 OK\r\n\r\n"
	b := make([]byte, len(want))
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != want {
		t.Fatalf("%q, %v", b, err)
	}
}

// TestSourceHasOneAnswer: the client of a SOURCE request of HTTP/1.0 is answered when its body
// is accepted, and told nothing more when it ends, is refused, or its plugin fails.
func TestSourceHasOneAnswer(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	r.room.limits.bodies = 1
	seen := newRecorder()
	r.add(toyYAML, toy)
	r.add(strings.Replace(sinnerYAML, "[GET, POST]", "[GET, POST, SOURCE]", 1), pusher(seen))
	at := r.listen()

	conn := r.dial(at, fmt.Sprintf(source, "live"))
	answerFirst(t, conn)
	_, _ = conn.Write(toyPacket(0, "payload"))
	seen.wait(t, "published")

	second := r.dial(at, fmt.Sprintf(source, "live")) // its PUBLISH is refused
	answerFirst(t, second)
	_, _ = second.Write(toyPacket(0, "payload"))
	if b, _ := io.ReadAll(second); len(b) > 0 {
		t.Errorf("a source too many is told %q", b)
	}

	_ = conn.(*net.TCPConn).CloseWrite()
	seen.wait(t, "/live ended by 0")
	if b, _ := io.ReadAll(conn); len(b) > 0 {
		t.Errorf("at its end the source is told %q", b)
	}

	idle := r.dial(at, fmt.Sprintf(source, "1"))
	answerFirst(t, idle)
	b, _ := io.ReadAll(r.dial(at, fmt.Sprintf(source, "2"))) // before it is accepted words are heard
	if !strings.HasPrefix(string(b), "HTTP/1.0 503 ") {
		t.Errorf("a body too many is told %q", b)
	}
}
