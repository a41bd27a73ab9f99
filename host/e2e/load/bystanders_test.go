//go:build linux

package load_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/sins"
)

const sinners = "../../../testplugins"

// The film's packets are 28 ms apart, as those of a live stream of few pictures; it begins in the middle of a step, so that each beat has one packet due.
const (
	bystanderRate = 400_000 // bits per second
	bystanderStep = packetSize * 8 * time.Second / bystanderRate
	bystanderLead = 400*bystanderStep + bystanderStep/2
)

// TestBystanders: while a plugin commits its sin again and again, viewers of a film that is pushed beside it get every byte, and the longest pause between
// two packets grows by less than 10 ms.
//
// A pause is a matter of the whole machine, so one measurement proves nothing: what somebody else does to the machine comes once, what a sin does comes
// each time. At full length the median of several rounds is judged, each with a window without sins before it. The short form repeats a round that was
// bad, allows twice the machine's own worst pause, and fails if all rounds are bad.
func TestBystanders(t *testing.T) {
	all, err := sins.Read(sinners)
	if err != nil {
		t.Fatal(err)
	}
	for _, carrier := range []string{sins.Wasm, sins.Proc} {
		t.Run(carrier, func(t *testing.T) {
			config, modules, names := broadcast, map[string][]byte{}, []string{}
			for _, name := range slices.Sorted(maps.Keys(all)) {
				e := all[name]
				if err := hosttest.Compiler(filepath.Join(sinners, name)); err != nil {
					t.Log(err) // the sins' own test judges that
					continue
				}
				switch {
				case !e.Is(carrier):
					continue
				case carrier == sins.Wasm:
					modules[name] = hosttest.Build(t, filepath.Join(sinners, name))
					config += e.Line(name, "module: ./"+name+".wasm", "web")
				default:
					config += e.Line(name, hosttest.Exec(t, filepath.Join(sinners, name)), "web")
				}
				names = append(names, name)
			}
			x := newStage(t, config, modules)
			x.mayBeGone = carrier == sins.Proc
			bystanders(t, x, names, all)
		})
	}
}

// bystanders shows a film beside these plugins' sins, one plugin after the other.
func bystanders(t *testing.T, x *stage, names []string, all map[string]sins.Expectation) {
	x.show(asfFilm(t, 0, bystanderLead+scale(5*time.Minute, time.Hour), bystanderRate), bystanderLead, scale(40, 200))
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the clients' own pauses are nobody's sin
	for i, name := range names {
		if !soak && i%6 != 0 { // the short form is of each sixth; that each sin ends as it should is in ./host
			continue
		}
		t.Run(name, func(t *testing.T) { x.bystand(t, name, all[name]) })
	}
	x.close()
	for _, name := range []string{"push", "asf", "wmsp", "http"} {
		if strings.Contains(x.server.log(), "plugin="+name+" kind=") {
			t.Errorf("plugin %s has a fault; the log:\n%s", name, x.server.log())
		}
	}
}

// bystand compares the longest pauses with and without a plugin's sins.
func (x *stage) bystand(t *testing.T, name string, e sins.Expectation) {
	rounds, length := 5, scale(200*time.Millisecond, 4*time.Second)
	var growths []time.Duration
	for i := range rounds {
		without := x.without
		if soak || i > 0 || without == 0 {
			without, _ = x.window(length, nil)
		}
		if x.without == 0 || without < x.without {
			x.without = without
		} else if !soak {
			without = x.without
		}
		with, n := x.window(length, x.sins(t, name, e))
		growths = append(growths, with-without)
		t.Logf("longest pause %v without, %v with %d sins", without.Round(100*time.Microsecond), with.Round(100*time.Microsecond), n)
		if !soak && with-without < max(growth, without) {
			return
		}
	}
	slices.Sort(growths)
	if median := growths[rounds/2]; !soak || median >= growth {
		t.Errorf("the longest pause grows by %v", growths)
	} else {
		t.Logf("the longest pause grows by %v in the median", median.Round(100*time.Microsecond))
	}
}

// growth is by how much the longest pause may grow (containment, "what must be shown").
const growth = 10 * time.Millisecond

// window measures the longest pause of any viewer while something is done again and again, and tells how often it was done.
func (x *stage) window(length time.Duration, again func()) (worst time.Duration, n int) {
	x.t.Helper()
	runtime.GC()
	x.audience.watched(x.seats, int(x.encoder.sent.Load()))
	x.audience.forget(x.seats)
	begin := x.encoder.sent.Load()
	for end := time.Now().Add(length); again != nil && (n == 0 || time.Now().Before(end)); n++ {
		again()
	}
	// The packet that ends the last pause belongs to this window too.
	x.audience.watched(x.seats, int(max(x.encoder.sent.Load(), begin+int64(length/x.film.step))+1))
	return x.audience.worst(x.seats), n
}

// sins gives what commits a plugin's sin once, each time in the next of its ways. Each comes from another network, so that none is refused for the one
// before; and innocent requests come with it, without which the plugin would be put into quarantine.
func (x *stage) sins(t *testing.T, name string, e sins.Expectation) func() {
	if e.Load != "" {
		return func() {
			if _, err := x.client.EnablePlugin(context.Background(), name); err == nil {
				t.Errorf("plugin %s was loaded", name)
			}
		}
	}
	const innocents = 30 // chosen: a sin in more than 20 events is what quarantine begins with
	var next int
	return func() {
		query := e.Queries[next%len(e.Queries)]
		next++
		done := make(chan struct{})
		go func() {
			defer close(done)
			if a, err := ask(network(int(networks.Add(1))), x.at, "/"+name+"?"+query); err != nil || a.status != e.Status {
				t.Errorf("the sin %q: %d %.200q, %v", query, a.status, a.head, err)
			}
		}()
		for range innocents {
			a, err := ask("127.0.0.1", x.at, "/"+name)
			if x.mayBeGone && err == nil && a.status == 503 { // it is started again, later each time, and who was in two that died has no answer
				continue
			}
			if err != nil || a.status != 200 {
				t.Errorf("an innocent request: %d %.200q, %v", a.status, a.head, err)
			}
		}
		<-done
	}
}

var networks atomic.Int64

// network is an address of the loopback interface in a /24 of its own.
func network(i int) string { return fmt.Sprintf("127.%d.%d.1", 1+i/256%250, i%256) }

// answer is what a request gets; status 0: nothing.
type answer struct {
	status int
	head   string
	body   string
	took   time.Duration
}

func (a answer) field(name string) string {
	_, rest, _ := strings.Cut(a.head, "\r\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// ask makes one request from an address of this machine.
func ask(from, at, path string) (a answer, err error) {
	began := time.Now()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.Dial("tcp", at)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(began.Add(patience))
	if _, err = io.WriteString(conn, get(path, "load")+"Connection: close\r\n\r\n"); err != nil && !gone(err) {
		return a, err
	}
	b, err := io.ReadAll(conn)
	if gone(err) {
		err = nil
	}
	head, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	a.head, a.body, a.took = string(head)+"\r\n", string(body), time.Since(began)
	if len(head) > len("HTTP/1.1 200") {
		a.status, _ = strconv.Atoi(string(head[9:12]))
	}
	return a, err
}
