package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// There is no Windows Media Encoder to be had: this one speaks as MS-WMHTTP says that it
// does, with the header fields of MS-WMHTTP 4.8.

// unknownLength is how long a PushStart says that it is (wire digest §2.4).
const unknownLength = 1<<31 - 1

// wmEncoder is one push session. A test's goroutine uses it, but for what run sends.
type wmEncoder struct {
	t     *testing.T
	to    string // "address:port"
	point string
	login string // value of Authorization; empty: none
	id    string // push-id
	conn  net.Conn
	in    *bufio.Reader
	reel  reel
	at    int // the next packet
	stop  chan struct{}
	done  chan struct{}
}

// reel is a film as an encoder has it: header and packets, and when each is due.
type reel struct {
	header  []byte
	size    int
	packets [][]byte
	due     []time.Duration
}

// cutReel takes an ASF file apart.
func cutReel(t *testing.T, b []byte) (r reel) {
	t.Helper()
	h, err := asf.ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	r.header, r.size = b[:h.Size], h.PacketSize
	for b = b[h.Size:]; len(b) >= r.size && (h.DataPackets == 0 || len(r.packets) < int(h.DataPackets)); b = b[r.size:] {
		var p asf.Packet
		if err := asf.ParsePacket(b[:r.size], r.size, &p); err != nil {
			break // what a file has behind its packets
		}
		r.packets = append(r.packets, b[:r.size])
		r.due = append(r.due, time.Duration(p.SendTime)*time.Millisecond)
	}
	return r
}

// newEncoder makes an encoder of the sample film, connected.
func (s server) newEncoder(t *testing.T, point string) *wmEncoder {
	t.Helper()
	e := &wmEncoder{t: t, to: s.Addr("web"), point: point, id: "0", reel: cutReel(t, sample.Demo())}
	e.connect()
	t.Cleanup(e.kill)
	return e
}

// connect opens another connection in the place of the one that there is.
func (e *wmEncoder) connect() {
	e.t.Helper()
	if e.conn != nil {
		e.conn.Close()
	}
	c, err := net.Dial("tcp", e.to)
	if err != nil {
		e.t.Fatal(err)
	}
	e.conn, e.in = c, bufio.NewReader(c)
}

// kill ends the encoder as a crash would.
func (e *wmEncoder) kill() {
	e.conn.Close()
	e.halt()
}

// head sends the head of a request.
func (e *wmEncoder) head(kind string, length int) {
	e.t.Helper()
	login := ""
	if e.login != "" {
		login = "Authorization: " + e.login + "\r\n"
	}
	e.write(fmt.Appendf(nil, "POST /%s HTTP/1.1\r\n"+login+"Content-Type: application/x-wms-%s\r\nX-Accept-Authentication: Negotiate, NTLM, Digest\r\n"+
		"User-Agent: WMEncoder/11.0.5721.5145\r\nHost: %s\r\nContent-Length: %d\r\nCache-Control: no-cache\r\nCookie: push-id=%s\r\n\r\n",
		e.point, kind, e.to, length, e.id))
}

func (e *wmEncoder) write(b []byte) {
	e.t.Helper()
	if _, err := e.conn.Write(b); err != nil {
		e.t.Fatalf("encoder of %s: %v", e.point, err)
	}
}

// answer reads a response; its text is the body.
func (e *wmEncoder) answer() (r *http.Response, text string) {
	e.t.Helper()
	_ = e.conn.SetReadDeadline(time.Now().Add(4 * answered))
	r, err := http.ReadResponse(e.in, &http.Request{Method: http.MethodPost})
	if err != nil {
		e.t.Fatalf("encoder of %s: no answer: %v", e.point, err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Fatalf("encoder of %s: answer %s: %v", e.point, r.Status, err)
	}
	return r, string(b)
}

// wants asserts an answer.
func (e *wmEncoder) wants(status int, says string) *http.Response {
	e.t.Helper()
	r, text := e.answer()
	if r.StatusCode != status || !strings.Contains(text, says) {
		e.t.Fatalf("encoder of %s: answer %s %q; %d %q expected", e.point, r.Status, text, status, says)
	}
	return r
}

// sendSetUp sends a PushSetup.
func (e *wmEncoder) sendSetUp(directives string) {
	e.t.Helper()
	e.head("pushsetup", len(directives))
	e.write([]byte(directives))
}

// setUp makes a push session.
func (e *wmEncoder) setUp(directives string) {
	e.t.Helper()
	e.sendSetUp(directives)
	r := e.wants(http.StatusNoContent, "")
	id, ok := strings.CutPrefix(r.Header.Get("Set-Cookie"), "push-id=")
	pragma := strings.Join(r.Header["Pragma"], ", ")
	if !ok || id == "0" || !strings.HasPrefix(r.Header.Get("Server"), "Cougar/9.") || !strings.Contains(pragma, "timeout=") || r.Close {
		e.t.Fatalf("PushSetup is answered with %v", r.Header)
	}
	e.id = id
}

// wmChunk frames a payload (MS-WMHTTP 2.2.3.1.1).
func wmChunk(kind asf.ChunkKind, parts ...[]byte) []byte {
	payload := bytes.Join(parts, nil)
	return append([]byte{'$', byte(kind), byte(len(payload)), byte(len(payload) >> 8)}, payload...)
}

var noReason, nextEntry = []byte{0, 0, 0, 0}, []byte{1, 0, 0, 0}

// next gives the chunk of the next packet, its padding stripped.
func (e *wmEncoder) next() []byte {
	e.t.Helper()
	if e.at == len(e.reel.packets) {
		e.t.Fatal("the film is over")
	}
	packet := e.reel.packets[e.at]
	e.at++
	var p asf.Packet
	if err := asf.ParsePacket(packet, e.reel.size, &p); err != nil {
		e.t.Fatal(err)
	}
	if !p.ZeroFill(e.reel.size) { // nothing would say that the tail was padding
		return wmChunk(asf.ChunkData, packet)
	}
	return wmChunk(asf.ChunkData, packet[:p.PaddingAt])
}

// start sends a PushStart of unknown length with the header, and runs.
func (e *wmEncoder) start() {
	e.t.Helper()
	e.head("pushstart", unknownLength)
	e.write(wmChunk(asf.ChunkHeader, e.reel.header))
	e.run()
}

// run sends the packets that follow, each when it is due, until halt.
func (e *wmEncoder) run() {
	e.stop, e.done = make(chan struct{}), make(chan struct{})
	go func(stop, done chan struct{}) {
		defer close(done)
		began, first := time.Now(), e.reel.due[min(e.at, len(e.reel.due)-1)]
		for e.at < len(e.reel.packets) {
			select {
			case <-stop:
				return
			case <-time.After(time.Until(began.Add(e.reel.due[e.at] - first))):
			}
			if _, err := e.conn.Write(e.next()); err != nil {
				return // the server, or the test, has ended it
			}
		}
	}(e.stop, e.done)
}

// halt has run send nothing more.
func (e *wmEncoder) halt() {
	if e.stop == nil {
		return
	}
	close(e.stop)
	<-e.done
	e.stop = nil
}

// live sets up and starts, and waits for the point.
func (e *wmEncoder) live(s server, directives string) {
	e.t.Helper()
	sources := 0
	for _, p := range s.Status().Points {
		if p.Name == e.point {
			sources = int(p.Sources)
		}
	}
	e.setUp(directives)
	e.start()
	s.Wait("point "+e.point+" is live", func() bool {
		for _, p := range s.Status().Points {
			if p.Name == e.point && p.State == "live" && int(p.Sources) > sources {
				return true
			}
		}
		return false
	})
}
