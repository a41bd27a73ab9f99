//go:build linux

package load_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/sdk/asf"
)

// encoder pushes a film over one connection, as ffmpeg does (wire digest 2.2), at the film's own speed.
type encoder struct {
	t      testing.TB
	film   *film
	framed bool // ASF in $H, $D and $E chunks
	conn   *net.TCPConn
	sent   atomic.Int64 // units
	quit   chan struct{}
	done   chan struct{}
	lead   time.Duration  // media that is sent at once
	clock  []atomic.Int64 // when each unit was sent, ns since 1970
	err    error
}

// beat is how often an encoder sends. Chosen: as often as a picture.
const beat = 20 * time.Millisecond

// push starts an encoder. The first lead of the film goes out at once.
func push(t testing.TB, at, point string, f *film, framed bool, lead time.Duration) *encoder {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	e := &encoder{t: t, film: f, framed: framed, conn: conn.(*net.TCPConn), quit: make(chan struct{}), done: make(chan struct{}), lead: lead,
		clock: make([]atomic.Int64, f.count())}
	fmt.Fprintf(conn, "POST /%s HTTP/1.1\r\nTransfer-Encoding: chunked\r\nUser-Agent: Lavf/59.27.100\r\nAccept: */*\r\nConnection: close\r\nHost: %s\r\nIcy-MetaData: 1\r\n\r\n", point, at)
	go e.loop()
	t.Cleanup(e.kill)
	return e
}

// loop sends what is due until pause or the film's end.
func (e *encoder) loop() {
	defer close(e.done)
	tick := time.NewTicker(max(beat, e.film.step))
	defer tick.Stop()
	if e.err = e.write(e.header()); e.err != nil {
		return
	}
	for start := time.Now().Add(-e.lead); ; {
		sent, due := int(e.sent.Load()), min(int(time.Since(start)/e.film.step), e.film.count())
		if due > sent {
			for i := sent; i < due; i++ {
				e.clock[i].Store(time.Now().UnixNano())
			}
			if e.err = e.write(e.units(sent, due)); e.err != nil {
				return
			}
			e.sent.Store(int64(due))
		}
		select {
		case <-e.quit:
			return
		case <-tick.C:
		}
	}
}

func (e *encoder) header() []byte {
	if !e.framed || len(e.film.header) == 0 {
		return e.film.header
	}
	b, _ := asf.AppendHeaderChunk(nil, e.film.header)
	return b
}

func (e *encoder) units(from, to int) []byte {
	b := e.film.units[from*e.film.unit : to*e.film.unit]
	if e.framed {
		return framed(b, from+1) // the header took LocationId 0
	}
	return b
}

// write sends bytes as chunks of a chunked body (RFC 9112 7.1).
func (e *encoder) write(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), 32<<10)
		var out bytes.Buffer
		fmt.Fprintf(&out, "%x\r\n%s\r\n", n, b[:n])
		if _, err := e.conn.Write(out.Bytes()); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// pause stops sending and tells how many units were sent.
func (e *encoder) pause() int {
	select {
	case <-e.quit:
	default:
		close(e.quit)
	}
	<-e.done
	return int(e.sent.Load())
}

// finish ends the film as ffmpeg does, reads the answer and tells how many units were sent.
func (e *encoder) finish() int {
	e.t.Helper()
	n := e.pause()
	if e.err != nil {
		e.t.Fatalf("push: %v", e.err)
	}
	var end []byte
	if e.framed {
		end = []byte{0x24, 0x45, 8, 0, 0, 0, 0, 0, 0, 0, 8, 0}
	}
	if err := e.write(end); err != nil {
		e.t.Fatalf("push: %v", err)
	}
	_, _ = io.WriteString(e.conn, "0\r\n\r\n")
	_ = e.conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(e.conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		e.t.Fatalf("push: answer %q, %v", answer, err)
	}
	_ = e.conn.Close()
	return n
}

// kill resets the connection, as the end of an encoder's process under load does.
func (e *encoder) kill() {
	_ = e.conn.SetLinger(0)
	_ = e.conn.Close()
	e.pause()
}
