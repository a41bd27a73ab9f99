package proc

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/proc/launch"
)

// Defaults of what a process may have; chosen. A Go plugin that serves gRPC has 15 to 30 MiB of writable memory, 12 open files and 10 threads.
const (
	DefaultMemory    = 256 << 20 // bytes
	DefaultFiles     = 64
	DefaultProcesses = 512 // of an account of the plugin's own
)

// spareAddress is what a process may reserve beyond the memory that it may write, in bytes: the runtimes of languages with a garbage collector
// reserve address space in advance (Go: 1.3 GiB); chosen.
const spareAddress = 8 << 30

// fileSize is the largest file that a process may write, in bytes: whatever it writes is of no use to it after its end; chosen.
const fileSize = 64 << 20

// patience is how many times Limits.Open a start may take by the clock on the wall, since a busy machine makes no plugin guilty; chosen.
const patience = 5

// Options says what to open.
type Options struct {
	Name      string // of the plugin, for errors and logs; empty: the manifest's
	Path      string // of the executable
	SHA256    string // that it must have, in lower-case hex; empty: unchecked
	Manifest  []byte // that it must serve; nil: any
	User      string // name or number of the account that runs it; required if weir is root
	Limits    plugin.Limits
	Files     int    // open files; 0: DefaultFiles
	Processes int    // processes and threads of the account; 0: DefaultProcesses, or weir's own limit if the account is weir's
	RunDir    string // folder for the sockets, which the account can reach; empty: the system's for temporary files
	Log       *slog.Logger
	Spent     *Spent // counts the processes' time; may be nil
}

// generation is one executable and the process that runs it now.
type generation struct {
	name       string
	number     uint64
	executable executable
	served     []byte // the manifest's text
	manifest   *manifest.Manifest
	limits     plugin.Limits
	spec       launch.Spec
	spent      *Spent
	dir        folder // holds the folders with the processes' sockets
	gate       gate
	restarts   atomic.Uint64
	stop       context.Context
	cancel     context.CancelFunc
	over       chan struct{} // closed when the supervisor has ended

	life life
	mu   sync.Mutex
	use  use
}

// use counts instances.
type use struct {
	closed bool
	users  int // instances that are not closed yet
}

// Open reads, judges and starts an executable. A process that does not start is an error, with the end of what it said.
func Open(ctx context.Context, o Options) (plugin.Generation, error) {
	g, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open plugin %q: %w", o.Name, err)
	}
	return g, nil
}

func open(ctx context.Context, o Options) (_ *generation, err error) {
	g, err := prepare(o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.cancel()
			g.free()
		}
	}()
	if g.dir, err = newFolder(o.RunDir); err != nil {
		return nil, err
	}
	abort := context.AfterFunc(ctx, g.cancel)
	defer abort()
	p, err := g.start(o.Manifest)
	if err != nil {
		return nil, err
	}
	if g.manifest, err = manifest.Parse(p.served); err != nil {
		p.close()
		return nil, fmt.Errorf("manifest: %w", err)
	}
	g.served = p.served
	if g.name == "" {
		g.name = g.manifest.Name
	}
	g.limits = effective(o.Limits, g.manifest.Limits)
	g.over = make(chan struct{})
	g.life.begin(p)
	go g.supervise(p)
	return g, nil
}

// prepare does all that comes before the first process.
func prepare(o Options) (*generation, error) {
	g := &generation{name: o.Name, number: plugin.NextNumber(), limits: effective(o.Limits, manifest.Limits{}), spent: o.Spent}
	var err error
	if g.spec, err = specOf(o, g.limits.Memory); err != nil {
		return nil, err
	}
	if g.executable, err = seal(o.Path); err != nil {
		return nil, err
	}
	g.stop, g.cancel = context.WithCancel(context.Background())
	if o.SHA256 != "" && g.executable.hash != o.SHA256 {
		err = fmt.Errorf("%s: its SHA-256 is %s, not what sha256: says; put back the right file, or write this hash if the change is yours", o.Path, g.executable.hash)
	}
	if err != nil {
		g.free()
		return nil, err
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	g.gate.Gate = plugin.Gate{Log: log.With("plugin", g.name, "generation", g.number), PerSecond: g.limits.LogLines, Now: time.Now}
	return g, nil
}

// specOf words the options for the launcher.
func specOf(o Options, memory uint64) (launch.Spec, error) {
	s := launch.Spec{Data: memory, Address: memory + spareAddress, Files: uint64(o.Files), FileSize: fileSize, Processes: uint64(o.Processes)}
	var err error
	if s.Switch, s.UID, s.GID, err = account(o.User); err != nil {
		return s, err
	}
	if s.Files == 0 {
		s.Files = DefaultFiles
	}
	if s.Processes == 0 && s.Switch {
		s.Processes = DefaultProcesses
	}
	return s, nil
}

// effective are the operator's limits, then the time that the plugin asks for if it is below the default, then the defaults. The memory that a
// manifest asks for is that of a Wasm instance.
func effective(granted plugin.Limits, asked manifest.Limits) plugin.Limits {
	l := plugin.InForce(granted, asked)
	if granted.Memory == 0 {
		l.Memory = DefaultMemory
	}
	return l
}

func (g *generation) startLimit() time.Duration { return patience * g.limits.Open }

func (g *generation) Manifest() *manifest.Manifest { return g.manifest }
func (g *generation) Number() uint64               { return g.number }
func (g *generation) Hash() string                 { return g.executable.hash }
func (g *generation) Carrier() string              { return "proc" }
func (g *generation) Limits() plugin.Limits        { return g.limits }
func (g *generation) Restarts() uint64             { return g.restarts.Load() }

// PID implements plugin.Process.
func (g *generation) PID() int {
	if p := g.life.now(); p != nil {
		return p.run.pid
	}
	return 0
}

// Close ends the process once the last instance is closed, and returns when it is gone.
func (g *generation) Close() {
	g.mu.Lock()
	last := !g.use.closed && g.use.users == 0
	g.use.closed = true
	g.mu.Unlock()
	if last {
		g.end()
	}
}

// enter counts an instance; it fails after Close.
func (g *generation) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.use.closed {
		g.use.users++
	}
	return !g.use.closed
}

func (g *generation) leave() {
	g.mu.Lock()
	g.use.users--
	last := g.use.closed && g.use.users == 0
	g.mu.Unlock()
	if last {
		g.end()
	}
}

func (g *generation) end() {
	g.cancel()
	<-g.over
	g.free()
	g.gate.Close()
}

// free removes what is not a process.
func (g *generation) free() {
	g.executable.close()
	g.dir.remove()
}

// Isolates reports whether what a program starts ends with it whatever it does, if weir is root: see launch.Isolates.
func Isolates() bool { return launch.Isolates() }

// ReadManifest asks an executable for its manifest, in a process with the limits of Open that ends at once.
func ReadManifest(ctx context.Context, o Options) (text []byte, hash string, err error) {
	g, err := prepare(o)
	if err != nil {
		return nil, "", err
	}
	defer g.free()
	defer g.cancel()
	text, err = g.ask(ctx)
	return text, g.executable.hash, err
}

func said(err error, text string) error {
	if text = strings.TrimSpace(text); text == "" {
		return err
	}
	return fmt.Errorf("%w; it said: %s", err, strings.ReplaceAll(text, "\n", " | "))
}
