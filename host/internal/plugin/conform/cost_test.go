package conform

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/proc"
	procbuild "github.com/weir-media/weir/host/internal/plugin/proc/build"
	"github.com/weir-media/weir/host/internal/plugin/record"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// The cost of one event, from the frame in the host's memory to the verdicts in the host's memory. `make microbench` runs the benchmarks;
// WEIR_COSTS=1 go test -run TestCostTable -v prints the medians that host/RATIONALE.md quotes.

// cost is one kind of event for one plugin.
type cost struct {
	name   string
	folder string // of the plugin
	frame  func(testing.TB) []byte
}

const (
	costGuest = "testdata/cost"
	wmsp      = "../../../../plugins/wmsp"
)

var costs = []cost{
	{"empty DATA", costGuest, func(t testing.TB) []byte { return frameOf(t, &abi.Data{Head: abi.Head{UnixNano: 1, Conn: 1}}) }},
	{"HTTP_REQUEST of 8 fields", costGuest, request},
	{"HTTP_REQUEST, wmsp describes", wmsp, request},
	{"DATA of 400 bytes", costGuest, func(t testing.TB) []byte {
		return frameOf(t, &abi.Data{Head: abi.Head{UnixNano: 1, Conn: 1}, Bytes: bytes.Repeat([]byte("a"), 400)})
	}},
	{"PACKETS of 16 notes", costGuest, sixteen},
	{"PACKETS of 16 notes, wmsp packs", wmsp, sixteen},
}

func frameOf(t testing.TB, e abi.Record) []byte {
	t.Helper()
	var w abi.Writer
	w.Reset(make([]byte, abi.UsualBox))
	if err := w.Put(7, 0, e); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// request is what ffmpeg asks first, in 8 header fields.
func request(t testing.TB) []byte {
	q := &abi.HTTPRequest{Head: abi.Head{UnixNano: 1, MonoNano: 1, Conn: 1}, Route: []byte("player"), Method: []byte("GET"), Path: []byte("/live"),
		Host: []byte("127.0.0.1:18080"), Proto: 11, Listener: []byte("web"), Local: []byte("192.0.2.1:8080"), Remote: []byte("192.0.2.9:50000")}
	for line := range strings.SplitSeq(`Accept: */*
User-Agent: NSPlayer/4.1.0.3856
Range: bytes=0-
Host: 127.0.0.1:18080
Pragma: no-cache,rate=1.000000,stream-time=0,stream-offset=0:0,request-context=1,max-duration=0
Pragma: xClientGUID={c77e7400-738a-11d2-9add-0020af0a3278}
Icy-MetaData: 1
Connection: Close`, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		q.Fields.Add([]byte(name), []byte(value))
	}
	q.Point = abi.PointSummary{Name: []byte("live"), State: abi.PointLive}
	q.Point.Renditions.Add(abi.Rendition{Name: []byte("asf"), Generation: 1, HeaderSize: 809})
	q.Point.Renditions.Add(abi.Rendition{Name: []byte("mmsh"), Generation: 1, HeaderSize: 821})
	return frameOf(t, q)
}

// sixteen are the packets of about a second.
func sixteen(t testing.TB) []byte {
	e := &abi.Packets{Head: abi.Head{UnixNano: 1}}
	for i := range 16 {
		e.Packets.Add(abi.PacketNote{Sequence: uint64(i), PTS: int64(i) * 40e6, DTS: int64(i) * 40e6, Size: 3200})
	}
	return frameOf(t, e)
}

// carried opens a plugin's generation in each carrier.
var carried = []struct {
	name string
	open func(testing.TB, string) plugin.Generation
}{
	{"wasm", openWasm},
	{"proc", openProc},
}

var built sync.Map // carrier and folder → func() (string, error)

// once gives what build makes of a plugin's folder and manifest, a file in a folder that outlives the test.
func once(t testing.TB, carrier, folder string, build func(folder string, manifest []byte, out string) error) string {
	t.Helper()
	f, _ := built.LoadOrStore(carrier+folder, sync.OnceValues(func() (string, error) {
		manifest, err := os.ReadFile(filepath.Join(folder, "plugin.yaml"))
		if err != nil {
			return "", err
		}
		out := filepath.Join(buildFolder, carrier+"-"+filepath.Base(folder))
		return out, build(folder, manifest, out)
	}))
	path, err := f.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildFolder holds what the tests build.
var buildFolder string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weir-cost-")
	if err != nil {
		panic(err)
	}
	buildFolder = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func openWasm(t testing.TB, folder string) plugin.Generation {
	t.Helper()
	module, err := os.ReadFile(once(t, "wasm", folder, buildWasm))
	if err != nil {
		t.Fatal(err)
	}
	g, err := wasm.Open(t.Context(), wasm.Options{Module: module, Log: slog.New(slog.DiscardHandler), CacheDir: filepath.Join(buildFolder, "cache")})
	return wrapped(t, g, err)
}

func openProc(t testing.TB, folder string) plugin.Generation {
	t.Helper()
	o := proc.Options{Path: once(t, "proc", folder, buildProc), Log: slog.New(slog.DiscardHandler)}
	if os.Geteuid() == 0 {
		o.User = "nobody"
	}
	g, err := proc.Open(t.Context(), o)
	return wrapped(t, g, err)
}

// wrapped is as the host does.
func wrapped(t testing.TB, g plugin.Generation, err error) plugin.Generation {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return record.Wrap(g, new(record.Tap))
}

func buildWasm(folder string, manifest []byte, out string) error {
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w", "-o", out, ".")
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", folder, err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	return os.WriteFile(out, wasm.WithManifest(module, manifest), 0o600)
}

func buildProc(folder string, manifest []byte, out string) error {
	if said, err := procbuild.Go(context.Background(), folder, string(manifest), out); err != nil {
		return fmt.Errorf("build %s: %w\n%s", folder, err, said)
	}
	return nil
}

// ready starts an instance that has seen OPEN.
func ready(t testing.TB, g plugin.Generation) plugin.Instance {
	t.Helper()
	i, fault := g.New()
	if fault != nil {
		t.Fatalf("%+v", fault)
	}
	t.Cleanup(i.Close)
	open := frameOf(t, &abi.Open{Config: []byte("{}"), Outbox: abi.UsualBox})
	call(t, i, open)
	return i
}

func call(t testing.TB, i plugin.Instance, frame []byte) {
	verdicts, fault := i.Call(Limit, frame)
	if fault != nil {
		t.Fatalf("%+v", fault)
	}
	var r abi.Reader
	if len(verdicts) > 0 && r.Reset(verdicts) != nil {
		t.Fatalf("an answer of %d bytes is no frame", len(verdicts))
	}
}

func BenchmarkEvent(b *testing.B) {
	for _, in := range carried {
		for _, c := range costs {
			b.Run(in.name+"/"+strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
				i := ready(b, in.open(b, c.folder))
				frame := c.frame(b)
				call(b, i, frame)
				b.ReportAllocs()
				for b.Loop() {
					_, _ = i.Call(Limit, frame)
				}
			})
		}
	}
}

// TestEventCostsTheHostNoAllocation asserts it for each kind of event in Wasm.
func TestEventCostsTheHostNoAllocation(t *testing.T) {
	opened := map[string]plugin.Instance{}
	for _, c := range costs {
		i := opened[c.folder]
		if i == nil {
			i = ready(t, openWasm(t, c.folder))
			opened[c.folder] = i
		}
		frame := c.frame(t)
		call(t, i, frame)
		if n := testing.AllocsPerRun(200, func() { _, _ = i.Call(Limit, frame) }); n != 0 {
			t.Errorf("%s: %v allocations a call", c.name, n)
		}
	}
}

// TestCostTable prints the medians of each kind of event, which a benchmark does not: it gives means.
func TestCostTable(t *testing.T) {
	if os.Getenv("WEIR_COSTS") == "" {
		t.Skip("WEIR_COSTS=1 prints the table; timings are compared by people, not by tests")
	}
	for _, in := range carried {
		t.Logf("%-34s %10s %10s %10s %10s", in.name, "1%", "median", "90%", "99%")
		for _, c := range costs {
			i := ready(t, in.open(t, c.folder))
			took := timed(i, c.frame(t))
			n := len(took)
			t.Logf("%-34s %10v %10v %10v %10v", c.name, took[n/100], took[n/2], took[n*9/10], took[n*99/100])
		}
	}
}

// timed calls for two seconds and gives how long each call took, sorted. Calls are timed in tens, since reading the clock costs a part of a short one.
func timed(i plugin.Instance, frame []byte) []time.Duration {
	const long, tens = 2 * time.Second, 10
	var took []time.Duration
	for start := time.Now(); time.Since(start) < long; {
		began := time.Now()
		for range tens {
			_, _ = i.Call(Limit, frame)
		}
		took = append(took, time.Since(began)/tens)
	}
	took = took[len(took)/10:] // a tenth warms up
	slices.Sort(took)
	return took
}
