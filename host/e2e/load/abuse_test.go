//go:build linux

package load_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// spares is how many points there are for bad encoders, who can so come side by side.
const spares = 8

func spare(i int) string { return fmt.Sprintf("spare%d", i%spares) }

// siege is a server under a live stream whose viewers must notice nothing, and bad peers.
type siege struct {
	*hosttest.Server
	at       string
	audience *audience
	healthy  []*seat
	forms    []*form
}

// TestBadInput: whatever peers send, each gets a clear answer or is closed, no plugin faults, nothing stays behind, and the viewers of the live stream get
// every byte.
func TestBadInput(t *testing.T) {
	const lead = 11 * time.Second
	points := []string{"live: {source: push, buffer: 10s, grace: 0s}"}
	for i := range spares {
		points = append(points, spare(i)+": {source: push, buffer: 10s, grace: 0s}")
	}
	s := serve(t, points...)
	f := asfFilm(t, 0, scale(3*time.Minute, 30*time.Minute), megabit)
	x := &siege{Server: s, at: s.Addr("web"), audience: newAudience(t), forms: []*form{f.overHTTP("live"), f.overMMSH("live")}}
	e := push(t, x.at, "live", f, true, lead)
	ready(t, s, "live", "mmsh", uint64(lead/f.step)-1)
	x.healthy = sit(30, habit{}, x.forms...)
	x.audience.join(x.at, x.healthy)
	x.audience.wait("watch", x.healthy, func(s *seat) bool { return s.first >= 0 })
	base, warm, sessions := measure(t), spareHeap(s), len(s.Sessions(""))

	slow := x.slowHeads(t) // they take their time meanwhile
	for _, c := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"truncated", x.truncated}, {"garbage", x.garbage}, {"heads", x.heads}, {"pipelined", x.pipelined}, {"strangers", x.strangers},
		{"busy", x.busy}, {"half closed", x.halfClosed}, {"resets", x.resets}, {"opened and closed", x.openedAndClosed}, {"joins", x.joins},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do(t)
			innocent(t, s)
			x.audience.watched(x.healthy, int(e.sent.Load()))
		})
	}
	t.Run("slow heads", slow)

	within(t, "no session is left of them", func() bool { return len(s.Sessions("")) <= sessions })
	base.heap += spareHeap(s) - warm
	base.heap += int64(2 * len(s.Log())) // which the test keeps, in a buffer that doubles
	settled(t, base)
	for i := range spares {
		s.WaitPoint(spare(i), "idle")
	}
	end := e.finish()
	x.audience.ended(x.healthy, map[*form]int{x.forms[0]: end, x.forms[1]: end})
	innocent(t, s)
	if n := s.Status().Deliver.DroppedPackets; n > 0 {
		t.Errorf("%d packets were dropped", n)
	}
}

// parting is how a peer stops.
type parting uint8

const (
	finished parting = iota // it ends its sending side and waits
	reset                   // it resets the connection
	waiting                 // it only waits
)

// talk sends bytes and gives what is answered until the server closes.
func (x *siege) talk(b []byte, how parting) ([]byte, error) {
	c, err := net.Dial("tcp", x.at)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	conn := c.(*net.TCPConn)
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err = conn.Write(b); err != nil && !gone(err) {
		return nil, err
	}
	switch how {
	case finished:
		_ = conn.CloseWrite()
	case reset:
		return nil, conn.SetLinger(0)
	}
	answer, err := io.ReadAll(conn)
	if gone(err) {
		err = nil
	}
	return answer, err
}

// gone tells an error that only says that the server has closed.
func gone(err error) bool {
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

// responses judges what was answered: nothing but a close, or whole responses, of which it gives the statuses.
func responses(answer []byte) (statuses []int, err error) {
	for r := bufio.NewReader(bytes.NewReader(answer)); ; {
		if _, err := r.Peek(1); err == io.EOF {
			return statuses, nil
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses, fmt.Errorf("answer %.200q: %w", answer, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return statuses, fmt.Errorf("answer %.200q: %w", answer, err)
		}
		if resp.StatusCode >= 400 && len(bytes.TrimSpace(body)) == 0 {
			return statuses, fmt.Errorf("answer %.200q says nothing", answer)
		}
		statuses = append(statuses, resp.StatusCode)
	}
}

// crowd runs n jobs, as many at a time as there are spare points; job i has the point spare(i) for itself.
func crowd(t *testing.T, n int, job func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for first := range spares {
		all.Go(func() {
			for i := first; i < n; i += spares {
				if err := job(i); err != nil {
					mu.Lock()
					if failed++; failed <= 5 {
						t.Errorf("number %d: %v", i, err)
					}
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
}

// send pushes a body to a point and judges the answer. A point whose last source is on its way out is busy for a moment: then it is tried again.
func (x *siege) send(point, fields string, body []byte, how parting) (status int, err error) {
	text := append([]byte("POST /"+point+" HTTP/1.1\r\nHost: weir.test\r\n"+fields+"\r\n"), body...)
	for end := time.Now().Add(patience); ; {
		answer, err := x.talk(text, how)
		if err != nil {
			return 0, err
		}
		all, err := responses(answer)
		switch {
		case err != nil || len(all) == 0:
			return 0, err
		case all[len(all)-1] != http.StatusConflict || time.Now().After(end):
			return all[len(all)-1], nil
		}
	}
}

// chunked is a body in the chunked coding, with its end or without.
func chunked(body []byte, whole bool) []byte {
	var b bytes.Buffer
	if len(body) > 0 {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(body), body)
	}
	if whole {
		b.WriteString("0\r\n\r\n")
	}
	return b.Bytes()
}

// expect fails unless all the answers' statuses are among those wanted.
func expect(t *testing.T, what string, answer []byte, wanted ...int) {
	t.Helper()
	all, err := responses(answer)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if got := fmt.Sprint(all); got != fmt.Sprint(wanted) {
		t.Errorf("%s: statuses %v, not %v; answer %.300q", what, all, wanted, answer)
	}
}

// short is a text of which little is enough in an error.
func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), 60)], "?") }
