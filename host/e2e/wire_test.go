package e2e

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/sdk/asf"
)

// capture is a connection on which a viewer reads all that comes, for what no client
// reports.
type capture struct {
	body output
	done chan struct{}
	err  error // why the stream ended, once done is closed; nil: closed by the server
}

// watch plays a URL path as a player with that User-Agent.
func (s server) watch(t *testing.T, path, agent string) *capture {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.http(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Pragma", "no-cache,rate=1.000000,request-context=2, xPlayStrm=1")
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, resp.Status)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	c := &capture{done: make(chan struct{})}
	go func() {
		_, c.err = io.Copy(&c.body, resp.Body)
		close(c.done)
	}()
	return c
}

const (
	player  = "NSPlayer/7.10.0.3059" // as VLC
	browser = "Mozilla/5.0"
)

// ended waits for the server to close the stream.
func (c *capture) ended(t *testing.T) []byte {
	t.Helper()
	hosttest.Eventually(t, "the end of the stream", func() bool {
		select {
		case <-c.done:
			return true
		default:
			return false
		}
	})
	if c.err != nil {
		t.Errorf("the stream ended with %v, not with its connection's orderly close", c.err)
	}
	return c.body.bytes()
}

// mmshStream is what a Windows Media player was sent.
type mmshStream struct {
	header []byte
	data   int // $D chunks
	end    *asf.Chunk
}

// parseMMSH reads whole chunks and asserts their order: $H, then $D, then at most one $E.
func parseMMSH(t *testing.T, b []byte) (m mmshStream) {
	t.Helper()
	for at := 0; at < len(b); {
		k, need, err := asf.ParseChunk(b[at:], asf.FramedMMS)
		if err != nil || need > 0 || len(b)-at < k.Size {
			t.Fatalf("at byte %d of %d: no whole chunk (%v)", at, len(b), err)
		}
		switch {
		case m.end != nil:
			t.Fatalf("a chunk %c follows $E", k.Kind)
		case k.Kind == asf.ChunkHeader && m.header == nil:
			m.header = b[at+k.Payload : at+k.Size]
		case k.Kind == asf.ChunkData && m.header != nil:
			m.data++
		case k.Kind == asf.ChunkEnd:
			m.end = &k
		default:
			t.Fatalf("a chunk %c at byte %d", k.Kind, at)
		}
		at += k.Size
	}
	return m
}

// endsWith asserts a $E with that reason behind the last packet.
func (m mmshStream) endsWith(t *testing.T, reason uint32) {
	t.Helper()
	switch {
	case m.end == nil:
		t.Errorf("no $E after %d packets", m.data)
	case m.end.Reason != reason:
		t.Errorf("$E has reason %d, %d expected", m.end.Reason, reason)
	}
	if m.data == 0 {
		t.Error("no packet")
	}
}

// answered is how fast a refusal must be there. Chosen: what a person calls at once.
const answered = 5 * time.Second

// send sends bytes and gives all that comes back, until the server closes or resets
// the connection.
func (s server) send(t *testing.T, b []byte) (answer string, reset bool) {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr("web"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(answered))
	go func() { _, _ = io.Copy(c, bytes.NewReader(b)) }() // the server may close before it has read all
	got, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection was not closed within %v; answer %q", answered, got)
	}
	return string(got), err != nil
}
