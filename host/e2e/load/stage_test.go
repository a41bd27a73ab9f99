//go:build linux

package load_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// stage is a weir in a process of its own that shows a live film. What happens to the test's process is nothing that the server could suffer from, and the
// other way round.
type stage struct {
	t        *testing.T
	at       string
	dir      string
	server   *process
	client   *admin.Client
	film     *film
	forms    []*form // plain, and as Windows Media players get it
	encoder  *encoder
	audience *audience
	seats    []*seat
	without  time.Duration // longest pause while nothing happened, where it was shortest

	mayBeGone bool // plugins are processes, which end by some sins
}

// stageConfig is what comes before the plugins that a test adds. NAME.wasm is the module of plugin NAME.
const stageConfig = `
listeners: {web: {address: "%s"}}
cache_dir: %s
points:
  live: {source: push, buffer: 10s, grace: 20s, latency: 5ms}
plugins:
`

// broadcast is the plugins that the film goes through.
const broadcast = `  push: {module: ./push.wasm, listeners: [web], grant: {publish: ["*"]}}
  asf: {module: ./asf.wasm}
  wmsp: {module: ./wmsp.wasm, listeners: [web], grant: {attach: ["*"]}}
  http: {module: ./http.wasm, listeners: [web], grant: {attach: ["*"]}}
`

// newStage starts a server with these plugins beside push, asf, wmsp and http; their modules are in the folder by then.
func newStage(t *testing.T, config string, modules map[string][]byte) *stage {
	t.Helper()
	x := &stage{t: t, at: freeAddress(t), dir: shortFolder(t)}
	for _, name := range []string{"push", "asf", "wmsp", "http"} {
		write(t, filepath.Join(x.dir, name+".wasm"), hosttest.Build(t, "../../../plugins/"+name))
	}
	for name, module := range modules {
		write(t, filepath.Join(x.dir, name+".wasm"), module)
	}
	precompile(t, modules)
	write(t, filepath.Join(x.dir, "plugins.yaml"), []byte(fmt.Sprintf(stageConfig, x.at, moduleCache)+config))
	x.server = start(t, program(t), x.dir)
	var err error
	if x.client, err = admin.NewClient("unix:"+filepath.Join(x.dir, "weir.sock"), ""); err != nil {
		t.Fatal(err)
	}
	return x
}

// moduleCache is the folder of compiled modules that package hosttest has.
var moduleCache = filepath.Join(os.TempDir(), fmt.Sprintf("weir-test-%d", os.Getuid()), "modules")

// precompile fills the cache of compiled modules on all cores; the server would do it on one.
func precompile(t *testing.T, modules map[string][]byte) {
	t.Helper()
	var all sync.WaitGroup
	for _, module := range modules {
		all.Go(func() {
			if g, err := wasm.Open(t.Context(), wasm.Options{Module: module, CacheDir: moduleCache}); err == nil {
				g.Close()
			}
		})
	}
	all.Wait()
}

var builtProgram = sync.OnceValues(func() (string, error) {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("weir-load-%d", os.Getpid()))
	out, err := exec.Command("go", "build", "-o", name, "../../cmd/weir").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return name, nil
})

// program is the path of a weir that was built once for all tests.
func program(t *testing.T) string {
	t.Helper()
	name, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestMain removes what tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.Remove(filepath.Join(os.TempDir(), fmt.Sprintf("weir-load-%d", os.Getpid())))
	os.Exit(code)
}

// show pushes the film at its own speed, and lets viewers watch.
func (x *stage) show(f *film, lead time.Duration, viewers int) {
	x.t.Helper()
	x.film, x.forms = f, []*form{f.overHTTP("live"), f.overMMSH("live")}
	x.encoder = push(x.t, x.at, "live", f, true, lead)
	x.waitUnits(int(lead/f.step) - 1)
	x.audience = newAudience(x.t)
	x.seats = sit(viewers, habit{timed: true}, x.forms...)
	x.audience.join(x.at, x.seats)
	x.audience.wait("watch", x.seats, func(s *seat) bool { return s.first >= 0 })
}

// waitUnits waits until both renditions have so much.
func (x *stage) waitUnits(n int) {
	x.t.Helper()
	within(x.t, "the point has the film", func() bool {
		st, err := x.client.Status(context.Background())
		if err != nil || len(st.Points[0].Renditions) < 2 {
			return false
		}
		for _, r := range st.Points[0].Renditions {
			if r.NextSequence < uint64(n) {
				return false
			}
		}
		return true
	})
}

func (x *stage) status() admin.Status {
	x.t.Helper()
	st, err := x.client.Status(context.Background())
	if err != nil {
		x.t.Fatalf("status: %v; the log:\n%s", err, x.server.log())
	}
	return st
}

// close ends the film and judges that each viewer has all of it.
func (x *stage) close() {
	x.t.Helper()
	n := x.encoder.finish()
	x.audience.watched(x.seats, n)
	x.audience.see(func() {
		for i, s := range x.seats {
			if s.gaps > 0 || s.closed {
				x.t.Errorf("viewer %d: %d gaps, closed: %v", i, s.gaps, s.closed)
			}
		}
	})
	if n := x.status().Deliver.DroppedPackets; n > 0 {
		x.t.Errorf("%d packets were dropped", n)
	}
	x.audience.leave(x.seats)
	x.server.stop()
	for _, bad := range []string{"panic: ", "fatal error: "} {
		if strings.Contains(x.server.log(), "\n"+bad) {
			x.t.Errorf("the server's log:\n%s", x.server.log())
		}
	}
}
