//go:build linux

package load_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// drip is an encoder whose bytes come in no relation to packets or chunks, so that a take-over finds it in the middle of anything.
type drip struct {
	conn net.Conn
	wire []byte
	done chan error
}

// dripEvery is how often some bytes are sent. Chosen: more often than packets come at this rate.
const dripEvery = 5 * time.Millisecond

// dripUp sends a request's head and body over the time that the film takes, of which the first lead comes at once.
func dripUp(t *testing.T, at, head string, wire []byte, f *film, lead time.Duration) *drip {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := &drip{conn: conn, wire: wire, done: make(chan error, 1)}
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	length := time.Duration(f.count()) * f.step
	go func() { d.done <- d.run(length, lead) }()
	return d
}

func (d *drip) run(length, lead time.Duration) error {
	tick := time.NewTicker(dripEvery)
	defer tick.Stop()
	sent := 0
	for start := time.Now().Add(-lead); sent < len(d.wire); <-tick.C {
		due := min(len(d.wire), int(float64(len(d.wire))*time.Since(start).Seconds()/length.Seconds()))
		if _, err := d.conn.Write(d.wire[sent:max(due, sent)]); err != nil {
			return err
		}
		sent = max(due, sent)
	}
	return nil
}

// finish waits for the end of the body and for the answer.
func (d *drip) finish(t *testing.T, closes bool) {
	t.Helper()
	if err := <-d.done; err != nil {
		t.Fatalf("push: %v", err)
	}
	if closes {
		_ = d.conn.(*net.TCPConn).CloseWrite()
	}
	_ = d.conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(d.conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		t.Errorf("push: answer %q, %v", answer, err)
	}
}

// chunks writes a chunked body in chunks of n bytes, with extensions.
func chunks(b []byte, n int) []byte {
	var out bytes.Buffer
	for at := 0; at < len(b); at += n {
		part := b[at:min(at+n, len(b))]
		fmt.Fprintf(&out, "%x;part=%d\r\n%s\r\n", len(part), at/n, part)
	}
	out.WriteString("0\r\n\r\n")
	return out.Bytes()
}

// TestBodiesMove: sources move several times in the middle of a packet, of a chunk, and of a chunk's size line, and not a byte is lost or doubled,
// whichever way the end of their body is known.
func TestBodiesMove(t *testing.T) {
	times := scale(4, 40)
	const lead = 11 * time.Second
	length := lead + time.Duration(times)*2500*time.Millisecond
	f := asfFilm(t, 0, length, megabit)
	plain := append(bytes.Clone(f.header), f.units...)
	s := serve(t, "a: {source: push, buffer: 10s, grace: 1s}", "b: {source: push, buffer: 10s, grace: 1s}",
		"c: {source: push, buffer: 10s, grace: 1s}", "d: {source: push, buffer: 10s, grace: 1s}")
	at := s.Addr("web")
	small, large := chunks(plain, 331), chunks(plain, 50_000)
	drips := []*drip{
		dripUp(t, at, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", small, f, lead),
		dripUp(t, at, "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", large, f, lead),
		dripUp(t, at, fmt.Sprintf("POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(plain)), plain, f, lead),
		dripUp(t, at, "POST /d HTTP/1.1\r\nHost: x\r\n\r\n", plain, f, lead),
	}
	a := newAudience(t)
	var seats []*seat
	last := map[*form]int{}
	for _, point := range []string{"a", "b", "c", "d"} {
		ready(t, s, point, "mmsh", uint64(lead/f.step)-100)
		form := f.overMMSH(point)
		last[form] = f.count()
		seats = append(seats, sit(2, habit{}, form)...)
	}
	a.join(at, seats)
	a.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
	for range times {
		s = s.TakeOver()
		for _, p := range s.Status().Points {
			if p.Sources != 1 || p.State != "live" {
				t.Errorf("point %s is %s, with %d sources: %s", p.Name, p.State, p.Sources, p.Reason)
			}
		}
	}
	within(t, "all sources are the last server's", func() bool {
		n := 0
		for _, x := range s.Sessions("") {
			if x.Role == "source" {
				n++
			}
		}
		return n == len(drips)
	})
	for i, d := range drips {
		d.finish(t, i == 3)
	}
	a.ended(seats, last)
	innocent(t, s)
}
