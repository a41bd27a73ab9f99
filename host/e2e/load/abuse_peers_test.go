//go:build linux

package load_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// heads: requests whose head is too long, or never ends.
func (x *siege) heads(t *testing.T) {
	for what, head := range map[string]string{
		"long field":    get("/live", "load") + "X-Long: " + strings.Repeat("a", 64<<10) + "\r\n\r\n",
		"many fields":   get("/live", "load") + strings.Repeat("X-Many: 1\r\n", 8<<10) + "\r\n",
		"long path":     get("/"+strings.Repeat("a", 64<<10), "load") + "\r\n",
		"long name":     get("/live", "load") + strings.Repeat("X", 64<<10) + ": 1\r\n\r\n",
		"endless field": get("/live", "load") + "X-Long: " + strings.Repeat("a", 1<<20),
	} {
		answer, err := x.talk([]byte(head), waiting)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if len(answer) > 0 { // what was not read when the server closed may have destroyed it
			expect(t, what, answer, 431)
		}
	}
	// Long, but not too long: 10 KB of fields are more than a plugin's DATA would be.
	answer, err := x.talk([]byte(get("/nowhere", "load")+strings.Repeat("X-Some: "+strings.Repeat("b", 90)+"\r\n", 100)+"Connection: close\r\n\r\n"), waiting)
	if err != nil {
		t.Error(err)
	}
	expect(t, "10 KB head", answer, 404)
}

// pipelined: several requests at once on one connection are answered in order, as far as the connection stays open.
func (x *siege) pipelined(t *testing.T) {
	nowhere := get("/nowhere", "load") + "\r\n"
	bye := get("/nowhere", "load") + "Connection: close\r\n\r\n"
	answer, err := x.talk([]byte(strings.Repeat(nowhere, 20)+bye), waiting)
	if err != nil {
		t.Error(err)
	}
	expect(t, "21 requests", answer, func() (all []int) {
		for range 21 {
			all = append(all, 404)
		}
		return all
	}()...)
	for what, text := range map[string]string{
		"describe and more":       get("/live", "NSPlayer/4.1.0.3856") + "\r\n" + bye,
		"log and more":            "POST /live HTTP/1.1\r\nHost: weir.test\r\nUser-Agent: NSPlayer/9\r\nContent-Type: application/x-wms-LogStats\r\nContent-Length: 5\r\n\r\n<log>" + bye,
		"push and more":           "POST /nowhere HTTP/1.1\r\nHost: weir.test\r\nContent-Length: 4\r\n\r\nabcd" + bye,
		"garbage behind":          bye + strings.Repeat("\x00\xFF", 1000),
		"garbage between":         nowhere + "\x00\x01\x02\r\n\r\n" + bye,
		"two lengths":             "POST /live HTTP/1.1\r\nHost: weir.test\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
		"length and chunks":       "POST /nowhere HTTP/1.1\r\nHost: weir.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunk size that is none": "POST /" + spare(0) + " HTTP/1.1\r\nHost: weir.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
		"huge chunk":              "POST /" + spare(1) + " HTTP/1.1\r\nHost: weir.test\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n",
		"negative length":         "POST /" + spare(2) + " HTTP/1.1\r\nHost: weir.test\r\nContent-Length: -1\r\n\r\n",
	} {
		answer, err = x.talk([]byte(text), finished)
		if err == nil {
			_, err = responses(answer)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A viewer that goes on sending watches all the same.
	c, err := net.Dial("tcp", x.at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, x.forms[0].request+strings.Repeat(nowhere, 3)); err != nil {
		t.Fatal(err)
	}
	first := sit(1, habit{}, x.forms[0])[0]
	for b := make([]byte, 64<<10); first.at-first.first < 500 && first.wrong == nil; {
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("a viewer that goes on sending, at unit %d: %v", first.at, err)
		}
		first.take(b[:n])
	}
	if first.wrong != nil {
		t.Error(first.wrong)
	}
}

// strangers: points that are not there, requests that are none, and other protocols.
func (x *siege) strangers(t *testing.T) {
	bye := "Host: weir.test\r\nConnection: close\r\n\r\n"
	for request, status := range map[string]int{
		"GET /nowhere HTTP/1.1\r\n" + bye:                                    404,
		"GET /nowhere HTTP/1.0\r\n\r\n":                                      404,
		"GET /nowhere HTTP/1.1\r\nUser-Agent: NSPlayer/9.0\r\n" + bye:        404,
		"HEAD /nowhere.ts HTTP/1.1\r\n" + bye:                                -1,
		"GET /live.ts HTTP/1.1\r\n" + bye:                                    404,
		"GET /live/ HTTP/1.1\r\n" + bye:                                      404,
		"GET /../../etc/passwd HTTP/1.1\r\n" + bye:                           404,
		"GET /%2e%2e/live HTTP/1.1\r\n" + bye:                                404,
		"GET /%00 HTTP/1.1\r\n" + bye:                                        404,
		"GET // HTTP/1.1\r\n" + bye:                                          404,
		"GET / HTTP/1.1\r\n" + bye:                                           404,
		"GET " + strings.Repeat("/a", 1000) + " HTTP/1.1\r\n" + bye:          404,
		"GET /" + spare(0) + " HTTP/1.1\r\n" + bye:                           503,
		"GET /" + spare(0) + " HTTP/1.1\r\nUser-Agent: NSPlayer/9\r\n" + bye: 503,
		"DELETE /live HTTP/1.1\r\n" + bye:                                    405,
		"BREW /live HTTP/1.1\r\n" + bye:                                      405,
		"POST /nowhere HTTP/1.1\r\nContent-Length: 0\r\n" + bye:              404,
		"PUT /nowhere HTTP/1.1\r\nExpect: 100-continue\r\n" + bye:            404,
		"SOURCE /nowhere HTTP/1.0\r\n\r\n":                                   404,
		"GET /live HTTP/1.1\r\n\r\n":                                         400, // no Host
		"GET http://elsewhere/nowhere HTTP/1.1\r\n" + bye:                    404,
		"GET /nowhere HTTP/9.9\r\n" + bye:                                    505,
		"GET nowhere HTTP/1.1\r\n" + bye:                                     400,
		"GET /nowhere\r\n\r\n":                                               400,
		"OPTIONS * HTTP/1.1\r\n" + bye:                                       -1,
		"CONNECT live:80 HTTP/1.1\r\n" + bye:                                 -1,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                   -1,
		"get /live HTTP/1.1\r\n" + bye:                                       0,
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03":                       0, // TLS
		"\x01\x00\x00\x00\xce\xfa\x0b\xb0":                                   0, // MMS
		"\x00":                                                               0, "\r\n\r\n": 0, "SSH-2.0-x\r\n": 0, strings.Repeat("A", 600): 0,
	} {
		answer, err := x.talk([]byte(request), waiting)
		if err != nil {
			t.Errorf("%q: %v", short(request), err)
			continue
		}
		all, err := responses(answer)
		switch {
		case status < 0 && len(answer) > 0: // some answer, whose body its method may forbid
		case err != nil:
			t.Errorf("%q: %v", short(request), err)
		case status == 0 && len(all) > 0, status > 0 && (len(all) != 1 || all[0] != status):
			t.Errorf("%q: statuses %v, not %d: %.200q", short(request), all, status, answer)
		}
	}
}

// halfClosed: peers that end their sending side at any point.
func (x *siege) halfClosed(t *testing.T) {
	good := bodies(t)["plain"]
	texts := [][]byte{
		nil, []byte("G"), []byte("GET /li"), []byte("GET /live HTTP/1.1\r\nHost: a\r\n"), []byte(x.forms[0].request), []byte(x.forms[1].request),
		[]byte("POST /" + spare(0) + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
		[]byte("POST /" + spare(0) + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nabc"),
		append([]byte("POST /"+spare(0)+" HTTP/1.1\r\nHost: a\r\n\r\n"), good...),
		append([]byte("POST /"+spare(0)+" HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n"), good...),
	}
	for i := range scale(1, 50) {
		for j, text := range texts {
			if _, err := x.talk(text, finished); err != nil {
				t.Errorf("round %d, text %d: %v", i, j, err)
			}
		}
	}
}

// resets: connections that are reset at every stage.
func (x *siege) resets(t *testing.T) {
	good := bodies(t)["plain"]
	push := append([]byte("POST /"+spare(0)+" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), chunked(good, false)...)
	texts := [][]byte{nil, []byte("GET /li"), []byte(x.forms[0].request), []byte(x.forms[1].request), push, push[:len(push)/2]}
	crowd(t, scale(600, 10_000), func(i int) error {
		_, err := x.talk(texts[i%len(texts)], reset)
		return err
	})
	// And viewers that are reset while they watch.
	for range scale(2, 20) {
		seats := sit(100, habit{}, x.forms...)
		x.audience.join(x.at, seats)
		x.audience.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
		x.audience.reset(seats)
		x.WaitViewers("live", len(x.healthy))
	}
}

// openedAndClosed: a thousand connections that say nothing.
func (x *siege) openedAndClosed(t *testing.T) {
	for range scale(1, 20) {
		conns := make([]net.Conn, 0, 1000)
		for range cap(conns) {
			c, err := net.Dial("tcp", x.at)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

// joins: a thousand viewers at once, who leave at once.
func (x *siege) joins(t *testing.T) {
	for range scale(1, 10) {
		seats := sit(1000, habit{}, x.forms...)
		began := time.Now()
		x.audience.join(x.at, seats)
		x.audience.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
		t.Logf("%d viewers joined in %v", len(seats), time.Since(began).Round(time.Millisecond))
		x.audience.leave(seats)
		x.WaitViewers("live", len(x.healthy))
	}
}

// slowHeads opens connections whose requests never get complete, and gives a test that waits until the server has closed them all.
func (x *siege) slowHeads(t *testing.T) func(*testing.T) {
	t.Helper()
	var conns []net.Conn
	for i := range scale(300, 2000) {
		c, err := net.Dial("tcp", x.at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
		if _, err := io.WriteString(c, ([]string{"", "G", "GET /live HTTP/1.1\r\nHost: a\r\nX-Slow: "})[i%3]); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { // a byte to each, again and again, as long as one of them takes it
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
			open := 0
			for i, c := range conns {
				if _, err := io.WriteString(c, "abcdefghijklmnopqrstuvwxyz"[i%26:][:i%3/2]); err == nil && !closed(c) {
					open++
				}
			}
			if open == 0 {
				done <- nil
				return
			}
		}
		done <- errors.New("some are open still")
	}()
	return func(t *testing.T) {
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

// closed looks whether the server has closed a connection, or has answered, which it does last.
func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 4<<10))
	var timeout net.Error
	return !(errors.As(err, &timeout) && timeout.Timeout())
}
