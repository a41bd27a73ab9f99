//go:build linux

package load_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
)

// TestTakenOver: a broadcast goes on while one process after another takes over from the last, under a storm of new connections: none of them is refused
// or reset, no viewer of any of the processes loses a byte, and new viewers get pictures all the time.
func TestTakenOver(t *testing.T) {
	viewers, more, times := scale(200, 200), 10, scale(3, 10)
	program, dir, at := install(t, "  live: {source: push, buffer: 10s, grace: 5s}\n  ts: {source: push, buffer: 10s, grace: 5s}\n")
	const lead = 11 * time.Second
	length := lead + slack + time.Duration(times)*scale(6*time.Second, 8*time.Second)
	windows, transport := asfFilm(t, 0, length, megabit), tsFilm(length, megabit)
	forms := []*form{windows.overHTTP("live"), windows.overMMSH("live"), transport.overTS("ts")}
	a := newAudience(t)

	generations := []*process{start(t, program, dir)}
	first, second := push(t, at, "live", windows, true, lead), push(t, at, "ts", transport, false, lead)
	liveAt(t, dir, lead/windows.step-1)
	seats := sit(viewers, habit{}, forms...)
	a.join(at, seats)
	a.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })

	storm := newStorm(t, at)
	look := watchOver(t, at)
	for i := range times {
		began, looked := time.Now(), look.seen.Load()
		p := start(t, program, dir, "--takeover")
		took := time.Since(began)
		generations = append(generations, p)
		t.Logf("take-over %d: ready after %v, %d new viewers got pictures meanwhile", i, took.Round(time.Millisecond), look.seen.Load()-looked)
		if look.seen.Load() == looked {
			t.Errorf("take-over %d: no new viewer got pictures meanwhile", i)
		}
		late := sit(more, habit{}, forms...)
		a.join(at, late)
		a.wait("watch", late, func(s *seat) bool { return s.first >= 0 })
		seats = append(seats, late...)
	}
	storm.stop()
	look.stop()

	last := map[*form]int{forms[2]: second.finish()}
	last[forms[0]] = first.finish()
	last[forms[1]] = last[forms[0]]
	a.ended(seats, last)
	a.leave(seats)
	for i, p := range generations[:times] {
		if err := p.end(); err != nil {
			t.Errorf("process %d, which was taken over: %v:\n%s", i, err, p.log())
		}
	}
	generations[times].stop()
}

// install makes a folder with a server's program, plugins and configuration.
func install(t *testing.T, points string) (program, dir, at string) {
	t.Helper()
	dir, at = shortFolder(t), freeAddress(t)
	program = filepath.Join(dir, "weir")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	config := strings.ReplaceAll(plugins, "127.0.0.1:0", at) + "points:\n" + points + "cache_dir: cache\n"
	for _, name := range []string{"push", "asf", "mpegts", "wmsp", "http"} {
		write(t, filepath.Join(dir, name+".wasm"), hosttest.Build(t, "../../../plugins/"+name))
		config = strings.ReplaceAll(config, "builtin:"+name, name+".wasm")
	}
	write(t, filepath.Join(dir, "plugins.yaml"), []byte(config))
	return program, dir, at
}

// liveAt waits until all points have that many packets of each rendition that viewers get.
func liveAt(t *testing.T, dir string, units time.Duration) {
	t.Helper()
	client, err := admin.NewClient("unix:"+filepath.Join(dir, "weir.sock"), "")
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the points are live", func() bool {
		st, err := client.Status(context.Background())
		if err != nil {
			return false
		}
		for _, p := range st.Points {
			for _, r := range p.Renditions {
				if r.Name == "mmsh" && r.NextSequence < uint64(units) {
					return false
				}
			}
			if p.State != "live" || len(p.Renditions) == 0 {
				return false
			}
		}
		return true
	})
}

// end waits until the process has ended by itself.
func (p *process) end() error {
	p.t.Helper()
	alarm := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer alarm.Stop()
	<-p.done
	return p.cmd.Wait()
}

// storm is many clients that come, ask once, and go.
type storm struct {
	t       *testing.T
	at      string
	quit    chan struct{}
	workers sync.WaitGroup
	asked   atomic.Int64
	mu      sync.Mutex
	wrong   []error
	began   time.Time
}

const (
	stormWorkers = 32
	stormPause   = stormWorkers * time.Second / 700 // between two connections of a worker: 700 a second together, when nothing else is slow
)

func newStorm(t *testing.T, at string) *storm {
	s := &storm{t: t, at: at, quit: make(chan struct{}), began: time.Now()}
	for range stormWorkers {
		s.workers.Go(s.loop)
	}
	t.Cleanup(func() {
		select {
		case <-s.quit:
		default:
			s.stop()
		}
	})
	return s
}

// loop is one client after another. A process that has been taken over answers those whose connections it has; it never cuts them off.
func (s *storm) loop() {
	tick := time.NewTicker(stormPause)
	defer tick.Stop()
	requests := []string{
		"GET /nothing HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n",
		get("/live", "NSPlayer/7.10.0.3059") + "Pragma: no-cache,rate=1.000000,request-context=1\r\nConnection: close\r\n\r\n", // Describe
	}
	for i := 0; ; i++ {
		if err := s.ask(requests[i%len(requests)]); err != nil {
			s.mu.Lock()
			s.wrong = append(s.wrong, err)
			s.mu.Unlock()
		}
		s.asked.Add(1)
		select {
		case <-s.quit:
			return
		case <-tick.C:
		}
	}
}

func (s *storm) ask(request string) error {
	c, err := net.Dial("tcp", s.at)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(c, request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return fmt.Errorf("%.20q: %w", request, err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%.20q: %s", request, resp.Status)
	}
	return err
}

func (s *storm) stop() {
	s.t.Helper()
	close(s.quit)
	s.workers.Wait()
	rate := float64(s.asked.Load()) / time.Since(s.began).Seconds()
	s.t.Logf("storm: %d connections, %.0f a second", s.asked.Load(), rate)
	if len(s.wrong) > 0 {
		s.t.Errorf("of %d connections %d went wrong, the first: %v", s.asked.Load(), len(s.wrong), s.wrong[0])
	}
	if least := scale(100.0, 500.0); rate < least {
		s.t.Errorf("the storm made %.0f connections a second, not %.0f", rate, least)
	}
}

// watcher joins as a new viewer again and again, for as long as it takes to get some packets.
type watcher struct {
	t    *testing.T
	at   string
	quit chan struct{}
	done chan struct{}
	seen atomic.Int64
	err  error
	most time.Duration
}

func watchOver(t *testing.T, at string) *watcher {
	w := &watcher{t: t, at: at, quit: make(chan struct{}), done: make(chan struct{})}
	go w.loop()
	return w
}

func (w *watcher) loop() {
	defer close(w.done)
	for w.err == nil {
		began := time.Now()
		w.err = w.look()
		w.most = max(w.most, time.Since(began))
		w.seen.Add(1)
		select {
		case <-w.quit:
			return
		default:
		}
	}
}

func (w *watcher) look() error {
	c, err := net.Dial("tcp", w.at)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(c, playRequest("/live")); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("a new viewer is told: %s", resp.Status)
	}
	_, err = io.CopyN(io.Discard, resp.Body, 100*packetSize)
	return err
}

func (w *watcher) stop() {
	w.t.Helper()
	close(w.quit)
	<-w.done
	if w.err != nil {
		w.t.Errorf("a new viewer after %d others: %v", w.seen.Load(), w.err)
	}
	w.t.Logf("new viewers: %d, the slowest had its first %d packets after %v", w.seen.Load(), 100, w.most.Round(time.Millisecond))
}
