package session

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
	"github.com/weir-media/weir/sdk"
)

const throughYAML = `name: through
roles: [control, source]
listens:
  http: [{name: push, methods: [POST], path: "/{point}"}]
capabilities: [publish]
`

const pieceYAML = `name: piece
roles: [format]
consumes: ["bytes:piece"]
produces: [piece]
`

// pieces is a room with a source whose input all goes to a format that makes a packet of
// each DATA.
type pieces struct {
	*rig
	conn   net.Conn
	log    *stream.Log
	events atomic.Int64 // DATA of the format
}

func newPieces(t testing.TB, latency time.Duration) *pieces {
	p := &pieces{rig: newRig(t, false, point.Options{Name: "live", Latency: latency, Buffer: time.Second})}
	p.add(throughYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e.(type) {
		case *abi.HTTPRequest:
			v.Accept(1)
		case *abi.Data:
			v.Publish([]byte("live"), "bytes:piece", 0)
			v.FeedThrough(1)
		}
		return nil
	})
	p.add(pieceYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		d, ok := e.(*abi.Data)
		if !ok {
			return nil
		}
		if p.events.Add(1) == 1 {
			h := v.Pieces()
			h.Text("header")
			v.Header(h)
		}
		out := v.Pieces()
		out.Input(d.Offset, len(d.Bytes))
		v.Packet(abi.Packet{Flags: abi.PacketKey}, out)
		v.Consume(d.Conn, d.Offset+uint64(len(d.Bytes)))
		return nil
	})
	p.conn = p.dial(p.listen(), "POST /live HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n")
	p.send("first", 0)
	until(t, "the source does not feed the point", func() bool {
		r, err := p.points["live"].Rendition("piece")
		if err == nil {
			p.log = r.Log
		}
		return err == nil && r.Log.Written() == uint64(len("first"))
	})
	return p
}

// send sends a chunk and waits until so many bytes are in the log.
func (p *pieces) send(text string, written uint64) {
	if _, err := fmt.Fprintf(p.conn, "%x\r\n%s\r\n", len(text), text); err != nil {
		p.t.Fatal(err)
	}
	if written > 0 {
		until(p.t, "input is lost", func() bool { return p.log.Written() >= written })
	}
}

// TestInputIsGathered: what comes in many pieces becomes few events, with no byte lost
// and none kept.
func TestInputIsGathered(t *testing.T) {
	const n = 2000
	p := newPieces(t, 50*time.Millisecond)
	began, total := time.Now(), uint64(len("first"))
	for range n {
		p.send("a piece", 0)
		total += uint64(len("a piece"))
	}
	p.send("the end", total+uint64(len("the end")))
	took := time.Since(began)
	if most := 5 + 2*int64(took/(50*time.Millisecond)); p.events.Load() > most {
		t.Errorf("%d pieces in %v came in %d events; want at most %d", n, took, p.events.Load(), most)
	}
	// what comes is much: it does not wait for its time
	much := strings.Repeat("x", 1<<20)
	p.send(much, total+uint64(len("the end")+len(much)))
	if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, p.conn)
	until(t, "the source stays", func() bool { return p.points["live"].Feed() == nil })
}

// TestPauseIsNotGathered: a piece waits only if another one came shortly before.
func TestPauseIsNotGathered(t *testing.T) {
	const d = 30 * time.Millisecond
	g, now := gather{}, time.Now()
	for _, step := range []struct {
		after time.Duration
		dense bool
	}{{0, false}, {20 * time.Millisecond, true}, {21 * time.Millisecond, false}, {time.Millisecond, true}} {
		now = now.Add(step.after)
		if g.came(now, d); g.dense != step.dense {
			t.Errorf("%v after the last: %v", step.after, g.dense)
		}
	}
	if g.came(now, 0); g.dense {
		t.Error("input is gathered for no time")
	}
}

// grown is woken when a log grows.
type grown chan struct{}

func (g grown) Wake(*stream.Log) {
	select {
	case g <- struct{}{}:
	default:
	}
}

// through sends a chunk and waits for its packet.
func (p *pieces) through(line []byte, more uint64, woken grown) {
	written := p.log.Written() + more
	if _, err := p.conn.Write(line); err != nil {
		p.t.Fatal(err)
	}
	for p.log.Written() < written {
		<-woken
	}
}

func chunkLine() []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", 1316, strings.Repeat("x", 1316)) }

// TestIngestAllocations: an event with input allocates nothing but the log's memory, which
// is a chunk for many events, gathered or not.
func TestIngestAllocations(t *testing.T) {
	const n = 100
	for name, latency := range map[string]time.Duration{"at once": 0, "gathered": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			p, line, woken := newPieces(t, latency), chunkLine(), make(grown, 1)
			p.log.AddWaker(woken)
			batch := func() {
				for range n {
					p.through(line, 1316, woken)
				}
			}
			batch() // chunks and buffers grow to their size
			began := time.Now()
			got := testing.AllocsPerRun(1, batch)
			if got > n/10 {
				t.Errorf("%v allocations in %d events; want none but for the log", got, n)
			}
			if took := time.Since(began); took < 2*n*latency {
				t.Errorf("%d events took %v: nothing was gathered", 2*n, took)
			}
		})
	}
}

// BenchmarkIngest is a chunk's way from the encoder's write to the log.
func BenchmarkIngest(b *testing.B) {
	p, line, woken := newPieces(b, 0), chunkLine(), make(grown, 1)
	p.log.AddWaker(woken)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		p.through(line, 1316, woken)
	}
}
