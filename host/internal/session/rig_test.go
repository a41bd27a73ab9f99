package session

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// rig is a room whose plugins are Go functions in this process.
type rig struct {
	t      testing.TB
	room   *Room
	points map[string]*point.Point
	files  map[string][]byte
	open   atomic.Int32 // files that are open
	counts counting
}

// newRig makes a room. Without pool no viewer can be attached, but all of it may run
// in a synctest bubble.
func newRig(t testing.TB, withPool bool, points ...point.Options) *rig {
	t.Helper()
	r := &rig{t: t, points: map[string]*point.Point{}, files: map[string][]byte{}}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := Options{Log: log, Metrics: &r.counts, Version: "test", OpenFile: r.openFile,
		Describe: func(*point.Point, string, string, *abi.DocumentRequest) {}}
	if withPool {
		pool, err := deliver.New(deliver.Options{Workers: 1, Latency: time.Millisecond, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		o.Pool = pool
	}
	r.room = New(o)
	r.room.spareAfter = 0 // tests count instances
	t.Cleanup(r.room.Close)
	for _, p := range points {
		r.points[p.Name] = point.New(p, r.room.Ready)
	}
	r.room.SetPoints(r.points)
	return r
}

func (r *rig) openFile(path string) (File, error) {
	b, ok := r.files[path]
	if !ok {
		return nil, os.ErrNotExist
	}
	r.open.Add(1)
	return &memFile{Reader: bytes.NewReader(b), open: &r.open}, nil
}

type memFile struct {
	*bytes.Reader
	open *atomic.Int32
	once sync.Once
}

func (f *memFile) Close() error {
	f.once.Do(func() { f.open.Add(-1) })
	return nil
}

// counting counts what a room reports.
type counting struct {
	mu      sync.Mutex
	faults  map[string]int
	custom  map[string]uint64
	limited map[string]int
	calls   int
}

func (c *counting) Called(string, time.Duration, int) { c.mu.Lock(); c.calls++; c.mu.Unlock() }
func (c *counting) Refused(string, string)            {}

func (c *counting) Limited(_, limit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limited == nil {
		c.limited = map[string]int{}
	}
	c.limited[limit]++
}

func (c *counting) Faulted(_, kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults == nil {
		c.faults = map[string]int{}
	}
	c.faults[kind]++
}

func (c *counting) Custom(_, name string, delta uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.custom == nil {
		c.custom = map[string]uint64{}
	}
	c.custom[name] += delta
}

func (c *counting) called() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// memo is a session's state: whatever bytes.
type memo []byte

func (m *memo) AppendState(b []byte) []byte { return append(b, *m...) }
func (m *memo) ReadState(b []byte) error    { *m = append((*m)[:0], b...); return nil }

// handler answers one event.
type handler func(m *memo, e abi.Record, v *sdk.Verdicts) error

// everything grants all.
var everything = Grant{
	Documents: true,
	Attach:    func(string) bool { return true }, Publish: func(string) bool { return true }, Read: func(string) bool { return true },
	Listen: func(netip.AddrPort) bool { return true }, Group: func(netip.AddrPort) bool { return true },
	Dial: func(string, string, netip.AddrPort) bool { return true },
}

// usualDrain is longer than any test without one of its own lets sessions stay.
const usualDrain = 10 * time.Minute

const manifestHead = "version: 1.0.0\nabi: \"1.0\"\nsummary: a test\n"

// add enables a plugin. text is the rest of its plugin.yaml, from "name:" on.
func (r *rig) add(text string, h handler) *Runner {
	r.t.Helper()
	g := newGeneration(r.t, text, h)
	runner, err := r.room.Add(PluginOptions{Name: g.manifest.Name, Grant: everything, Config: []byte("{}"), Drain: usualDrain})
	if err == nil {
		err = runner.Enable(g)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return runner
}

// generation is a plugin's code as a Go function.
type generation struct {
	manifest *manifest.Manifest
	number   uint64
	handler  handler
	twist    func(abi.Raw) abi.Raw    // changes each verdict on its way; may be nil
	started  atomic.Int32             // instances
	barren   atomic.Bool              // no instance starts
	trip     func([]byte) plugin.Kind // gives a frame's fault, or 0; may be nil
	lossy    bool                     // such a fault is the carrier's death
	limits   plugin.Limits            // zero fields: the defaults
	given    atomic.Int64             // the last call's time
	closed   atomic.Bool
	open     *atomic.Int32 // instances that are not closed; may be nil
}

func newGeneration(t testing.TB, text string, h handler) *generation {
	t.Helper()
	m, err := manifest.Parse([]byte(manifestHead + text))
	if err != nil {
		t.Fatalf("manifest: %v", err)
	}
	return &generation{manifest: m, number: plugin.NextNumber(), handler: h}
}

func (g *generation) Manifest() *manifest.Manifest { return g.manifest }
func (g *generation) Number() uint64               { return g.number }
func (g *generation) Hash() string                 { return "" }
func (g *generation) Carrier() string              { return "test" }
func (g *generation) Limits() plugin.Limits        { return g.limits.Or(plugin.DefaultLimits()) }
func (g *generation) Close()                       { g.closed.Store(true) }

func (g *generation) New() (plugin.Instance, *plugin.Fault) {
	g.started.Add(1)
	if g.barren.Load() {
		return nil, &plugin.Fault{Plugin: g.manifest.Name, Generation: g.number, Kind: plugin.Start, Cause: errors.New("barren")}
	}
	if g.open != nil {
		g.open.Add(1)
	}
	return &instance{of: g, plugin: sdk.New[memo](nil, g.handler), out: make([]byte, abi.UsualBox)}, nil
}

type instance struct {
	of     *generation
	plugin *sdk.Plugin
	out    []byte
	dead   bool
}

func (i *instance) Inbox() int { return abi.UsualBox }

// Close counts.
func (i *instance) Close() {
	if i.of.open != nil {
		i.of.open.Add(-1)
	}
}

// Call turns the guest's panic into a trap, as a carrier does.
func (i *instance) Call(limit time.Duration, frame []byte) (verdicts []byte, fault *plugin.Fault) {
	i.of.given.Store(int64(limit))
	blame := func(kind plugin.Kind, cause error) *plugin.Fault {
		return &plugin.Fault{Plugin: i.of.manifest.Name, Generation: i.of.number, Kind: kind, Cause: cause}
	}
	if i.dead {
		return nil, blame(plugin.Protocol, errors.New("a dead instance was called"))
	}
	defer func() {
		if x := recover(); x != nil {
			i.dead = true
			text, _ := x.(string)
			verdicts, fault = nil, blame(plugin.Trap, errors.New(text))
		}
	}()
	if i.of.trip != nil {
		if kind := i.of.trip(frame); kind != 0 {
			i.dead = true
			f := blame(kind, errors.New("tripped"))
			f.Lost = i.of.lossy
			f.Shared = f.Lost && bytes.Contains(frame, []byte("company")) // as if others had been at it
			return nil, f
		}
	}
	n := i.plugin.Call(frame, i.out)
	if n < 0 {
		return nil, blame(plugin.Protocol, &plugin.CodeError{Code: abi.Code(n)})
	}
	if i.of.twist != nil {
		return i.twisted(i.out[:n]), nil
	}
	return i.out[:n], nil
}

func (i *instance) twisted(out []byte) []byte {
	var from abi.Reader
	var to abi.Writer
	to.Reset(make([]byte, abi.UsualBox))
	if from.Reset(out) != nil {
		return out
	}
	for {
		raw, ok, err := from.Next()
		if !ok || err != nil {
			return to.Bytes()
		}
		_ = to.PutRaw(i.of.twist(raw))
	}
}

// listen serves the plugins' routes and patterns on a loopback port.
func (r *rig) listen() string {
	r.t.Helper()
	front := r.room.NewFront()
	var sources []manifest.Source
	for _, runner := range r.room.Runners() {
		if g := runner.Generation(); g != nil {
			sources = append(sources, manifest.Source{Plugin: runner.Name(), Listener: "web", Manifest: g.Manifest()})
		}
	}
	table, err := manifest.Compile(sources)
	if err != nil {
		r.t.Fatal(err)
	}
	front.SetTable(table)
	var raw []netio.Pattern
	for _, p := range table.Raw() {
		raw = append(raw, netio.Pattern{Plugin: p.Plugin, RTSP: p.RTSP, Offset: p.Pattern.Offset, Bytes: p.Pattern.Bytes, Mask: p.Pattern.Mask})
	}
	l, err := netio.Listen(netio.Options{Name: "web", Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, HTTP: true, Raw: raw, Handler: front})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.room.Close(); l.Close() })
	return l.Addrs()[0].String()
}

// dial connects, sends text and bounds what the test waits.
func (r *rig) dial(to, text string) net.Conn {
	r.t.Helper()
	return r.dialWith(net.Dialer{}, to, text)
}

func (r *rig) dialWith(d net.Dialer, to, text string) net.Conn {
	r.t.Helper()
	c, err := d.Dial("tcp", to)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// recorder keeps the events that a plugin saw, as text.
type recorder struct {
	mu   sync.Mutex
	all  []string
	wake chan struct{}
}

func newRecorder() *recorder { return &recorder{wake: make(chan struct{}, 1)} }

func (r *recorder) add(text string) {
	r.mu.Lock()
	r.all = append(r.all, text)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *recorder) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.all...)
}

// wait waits until an event with that beginning was seen, and gives it.
func (r *recorder) wait(t *testing.T, prefix string) string {
	t.Helper()
	for end := time.After(20 * time.Second); ; {
		for _, text := range r.list() {
			if strings.HasPrefix(text, prefix) {
				return text
			}
		}
		select {
		case <-r.wake:
		case <-end:
			t.Fatalf("no %q came; seen: %q", prefix, r.list())
		}
	}
}

// waitReady waits until so many sessions wait for their turn besides that which is under way.
func (r *rig) waitReady(runner *Runner, under uint64, n int) {
	r.t.Helper()
	until(r.t, "the sessions did not become ready", func() bool {
		runner.one().mail.mu.Lock()
		defer runner.one().mail.mu.Unlock()
		waiting := 0
		for _, s := range runner.one().mail.ready {
			if s.id != under { // the one that is under way may be ready again
				waiting++
			}
		}
		return waiting >= n
	})
}

// waitSessions waits until the plugin has so many sessions.
func (r *rig) waitSessions(runner *Runner, n int) {
	r.t.Helper()
	until(r.t, fmt.Sprintf("there are not %d sessions", n), func() bool { return runner.Status().Sessions == n })
}

// until asks again and again, for a bounded time.
func until(t testing.TB, otherwise string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// one gives a plugin's only worker.
func (r *Runner) one() *worker { return r.all()[0] }
