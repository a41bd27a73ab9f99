package host_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// broadcastYAML is the part of a configuration that a bystander needs.
const broadcastYAML = `
listeners: {web: {address: "127.0.0.1:0"}}
points:
  live: {source: push, grace: 1s}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}
`

// packetEvery is how often the bystander's encoder sends a packet: about twice the
// sample's own rate.
const packetEvery = 20 * time.Millisecond

// broadcast is a stream that goes on beside whatever a test does: an encoder that
// pushes the sample over and over, and players that must miss no byte of it.
type broadcast struct {
	t       *testing.T
	s       *hosttest.Server
	encoder net.Conn
	stop    chan struct{}
	pushing sync.WaitGroup
	pushErr error
	viewers []*viewer
}

// viewer is what one player has received: the hash of each packet, by its number.
type viewer struct {
	head  []byte // of the response
	first uint32
	sums  [][sha256.Size]byte // mu
	marks []byte              // mu: each packet's incarnation
	turns [][]byte            // mu: the packets that have another than the one before
	mu    sync.Mutex
	ended bool
	err   error
	done  chan struct{}
}

// air begins to push and attaches so many players.
func air(t *testing.T, s *hosttest.Server, viewers int) *broadcast {
	t.Helper()
	b := &broadcast{t: t, s: s, stop: make(chan struct{})}
	var err error
	if b.encoder, err = net.Dial("tcp", s.Addr("web")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.encoder.Close() })
	b.pushing.Go(b.push)
	s.WaitPoint("live", "live")
	s.WaitMedia("live", time.Second)
	b.attach(viewers)
	return b
}

// push sends the sample as a chunked body until stop is closed; then it ends the body.
func (b *broadcast) push() {
	film := sample.Demo()
	header, _, err := asf.HeaderSize(film)
	if err != nil {
		b.pushErr = err
		return
	}
	h, err := asf.ParseHeader(film[:header])
	if err != nil {
		b.pushErr = err
		return
	}
	size := h.PacketSize
	_, b.pushErr = io.WriteString(b.encoder, "POST /live HTTP/1.1\r\nHost: weir\r\nTransfer-Encoding: chunked\r\n\r\n")
	tick := time.NewTicker(packetEvery)
	defer tick.Stop()
	for at := 0; b.pushErr == nil; {
		piece := film[:header]
		if at > 0 {
			piece = film[at : at+size]
		}
		_, b.pushErr = fmt.Fprintf(b.encoder, "%x\r\n%s\r\n", len(piece), piece)
		if at += len(piece); at+size > len(film) || at > header && !isPacket(film[at:]) {
			at = 0
		}
		select {
		case <-b.stop:
			_, b.pushErr = io.WriteString(b.encoder, "0\r\n\r\n")
			return
		case <-tick.C:
		}
	}
}

// isPacket tells a data packet from the index behind the last one.
func isPacket(b []byte) bool {
	index, _ := asf.IsIndex(b)
	return !index
}

func (b *broadcast) attach(n int) {
	b.t.Helper()
	var added []*viewer
	for range n {
		v := &viewer{done: make(chan struct{})}
		conn, err := net.Dial("tcp", b.s.Addr("web"))
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { conn.Close() })
		const play = "GET /live HTTP/1.0\r\nHost: weir\r\nUser-Agent: NSPlayer/7.10.0.3059\r\nPragma: no-cache,rate=1.000000,request-context=2\r\nPragma: xPlayStrm=1\r\n\r\n"
		if _, err := io.WriteString(conn, play); err != nil {
			b.t.Fatal(err)
		}
		go v.read(conn)
		added = append(added, v)
	}
	for _, v := range added {
		b.s.Wait("a viewer's first packets", func() bool { return v.packets() > 2 || v.isDone() })
	}
	b.viewers = append(b.viewers, added...)
}

func (v *viewer) packets() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.sums)
}

func (v *viewer) isDone() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// read takes the response's head, then chunks until the end.
func (v *viewer) read(conn net.Conn) {
	defer close(v.done)
	r := bufio.NewReaderSize(conn, 1<<17)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		v.err = fmt.Errorf("response: %v, %w", resp, err)
		return
	}
	v.head = fmt.Appendf(nil, "%v", resp.Header)
	for v.err == nil && !v.ended {
		v.err = v.chunk(r)
	}
}

func (v *viewer) chunk(r *bufio.Reader) error {
	head, err := r.Peek(asf.EndChunkSize)
	if err != nil {
		return fmt.Errorf("after %d packets: %w", v.packets(), err)
	}
	k, need, err := asf.ParseChunk(head, asf.FramedMMS)
	if err == nil && need > 0 {
		if head, err = r.Peek(len(head) + need); err == nil {
			k, _, err = asf.ParseChunk(head, asf.FramedMMS)
		}
	}
	if err != nil {
		return err
	}
	body := make([]byte, k.Size)
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("inside of a chunk: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch k.Kind {
	case asf.ChunkData:
		if len(v.sums) == 0 {
			v.first = k.Location
		}
		if want := v.first + uint32(len(v.sums)); k.Location != want {
			return fmt.Errorf("packet %d follows %d", k.Location, want-1)
		}
		v.sums = append(v.sums, sha256.Sum256(body))
		if n := len(v.marks); n > 0 && v.marks[n-1] != k.Incarnation {
			v.turns = append(v.turns, body[k.Payload:])
		}
		v.marks = append(v.marks, k.Incarnation)
	case asf.ChunkEnd:
		v.ended = true
	case asf.ChunkHeader:
		if len(v.sums) > 0 {
			return errors.New("a second header")
		}
	}
	return nil
}

// whole ends the broadcast and demands that each viewer has every byte from its first
// packet to the end, and all the same.
func (b *broadcast) whole() {
	b.t.Helper()
	for i, v := range b.viewers {
		if v.isDone() {
			b.t.Errorf("viewer %d was lost before the end: %v", i, v.err)
		}
	}
	close(b.stop)
	b.pushing.Wait()
	if b.pushErr != nil {
		b.t.Fatalf("the encoder was disturbed: %v", b.pushErr)
	}
	all := map[uint32][sha256.Size]byte{}
	var last uint32
	for i, v := range b.viewers {
		b.s.Wait("the end of a viewer's stream", v.isDone)
		if v.err != nil || !v.ended || len(v.sums) == 0 {
			b.t.Errorf("viewer %d: %v, ended %v, %d packets", i, v.err, v.ended, len(v.sums))
			continue
		}
		end := v.first + uint32(len(v.sums))
		if i == 0 {
			last = end
		}
		if end != last {
			b.t.Errorf("viewer %d ends at packet %d, the first at %d", i, end, last)
		}
		for n, sum := range v.sums {
			if known, ok := all[v.first+uint32(n)]; ok && !bytes.Equal(known[:], sum[:]) {
				b.t.Errorf("viewer %d has another packet %d", i, v.first+uint32(n))
			}
			all[v.first+uint32(n)] = sum
		}
	}
	if d := b.s.Status().Deliver; d.DroppedPackets != 0 {
		b.t.Errorf("%d packets were dropped", d.DroppedPackets)
	}
	b.t.Logf("%d viewers, %d packets, none lost", len(b.viewers), len(all))
}
