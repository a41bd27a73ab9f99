package host

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/archive"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/journal"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/multicast"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// Options are what a server starts with.
type Options struct {
	ConfigPath string           // plugins.yaml; empty: the built-in one
	Environ    []string         // WEIR_ variables
	Log        *slog.Logger     // nil: slog.Default
	Drain      time.Duration    // how long viewers may take to finish at the end
	Hangup     <-chan os.Signal // each has ConfigPath applied as it is then; nil: never
	Out        io.Writer        // what `weir serve` prints; nil: nothing
	Version    string
	// Takeover has the server take over from the one that runs with the same admin socket,
	// if there is one.
	Takeover bool
	// TakeoverLimit is how long the server keeps viewers once another has taken over.
	TakeoverLimit time.Duration // 0: an hour
	Tests         TestOptions
}

// TestOptions are for tests only.
type TestOptions struct {
	Config   *config.Config                    // instead of ConfigPath
	Builtin  func(name string) ([]byte, error) // instead of the embedded modules
	CacheDir string
	PortZero bool // listeners may have port 0: the kernel chooses one
	// After is for the wait until changed files are quiet, in the place of time.After.
	After func(time.Duration) <-chan time.Time
}

// Server is a running weir. Start makes one, Close ends it.
type Server struct {
	options   Options
	changes   changes
	log       *slog.Logger
	vitals    vitals
	pool      *deliver.Pool
	costs     *costs
	access    *access.Guard
	room      *session.Room
	multicast *multicast.Room
	book      announce.Book
	sap       *announce.SAP
	mu        sync.Mutex // held by whatever changes plugins or listeners
	closing   bool       // the server drains
	plugins   map[string]*loaded
	listeners map[string]*listening
	steering  steering
	inherited []socketSource
	admin     *admin.Server

	succession succession
}

// vitals are what monitoring asks of the server as a whole.
type vitals struct {
	started  time.Time
	registry *telemetry.Registry
	taps     taps
	programs programs
	records  records
	total    point.Total // of all points
}

// Run starts a server, waits for ctx to end, and drains it.
func Run(ctx context.Context, o Options) error {
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	s.print()
	s.notify(daemon.SdNotifyReady)
	s.wait(ctx)
	if !s.succession.isServed() { // else the one who has taken over is who systemd asks
		s.notify(daemon.SdNotifyStopping)
	}
	s.log.Info("draining", "for", o.Drain)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Drain)
	defer cancel()
	return s.Close(drain)
}

// wait returns when ctx ends; meanwhile it heeds Hangup.
func (s *Server) wait(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.succession.retired:
			return
		case <-s.options.Hangup:
			s.hangup()
		}
	}
}

// Start brings up all that can start: a listener or plugin that cannot is in state
// failed, with the reason, and the rest runs. It fails only when the configuration is
// wrong, the admin API cannot be served, or it would take over from a server in which
// something works that does not here.
func Start(ctx context.Context, o Options) (*Server, error) {
	c, err := loadConfig(o)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	policy, err := policyOf(c)
	if err != nil {
		return nil, err
	}
	if socket := c.Admin.Socket; socket != "" && !o.Takeover {
		if err = admin.Probe(socket); err != nil { // before anything that the other server would notice
			return nil, err
		}
	}
	s := &Server{options: o, log: o.Log, vitals: vitals{started: time.Now(), registry: telemetry.NewRegistry()},
		plugins: map[string]*loaded{}, listeners: map[string]*listening{}}
	s.changes.current.Store(c)
	s.access = access.New(access.Options{Log: o.Log})
	s.access.Set(policy)
	s.changes.ended = make(chan struct{})
	s.succession.init()
	s.changes.watch.init(s)
	s.vitals.records.journal, s.vitals.records.archive = journal.New(time.Now), archive.New(archive.Options{Log: o.Log})
	s.vitals.total.SetLimits(totalLimits(c.Limits))
	s.recordTo(c)
	if s.pool, err = deliver.New(deliver.Options{Log: o.Log}); err != nil {
		s.vitals.records.close()
		return nil, fmt.Errorf("start delivery: %w", err)
	}
	s.multicast = multicast.New(multicast.Options{Pool: s.pool, Log: o.Log})
	s.sap = announce.NewSAP(announce.SAPOptions{Log: o.Log, Write: s.writeSAP, Open: openSAP})
	s.room = session.New(session.Options{Pool: s.pool, Log: o.Log, Metrics: s.metrics(), Version: o.Version,
		Templates: templates{s}, OpenFile: s.openFile, Describe: s.describe, Access: s.access, RollBack: s.rollBack, Journal: s.vitals.records.journal})
	s.costs = newCosts(s.pool, known{s.cpu, func(name string) bool { return s.room.Point(name) != nil }})
	s.takeInherited()
	s.makePoints()
	if err := s.loadPlugins(ctx); err != nil {
		s.abort()
		return nil, err
	}
	s.logDoubts()
	if err := s.serve(ctx); err != nil {
		s.abort()
		return nil, err
	}
	s.room.StartSources()
	s.changes.watch.begin()
	return s, nil
}

// serve opens all that others reach the server by, in the place of the server before it
// if it takes over.
func (s *Server) serve(ctx context.Context) error {
	var from *taking
	if s.options.Takeover {
		var err error
		if from, err = s.takeOver(ctx); err != nil {
			return err
		}
	}
	err := s.openListeners(from)
	if err == nil {
		err = s.serveAdmin(from)
	}
	if err != nil {
		from.giveUp()
		return err
	}
	s.openGate()
	if from != nil {
		from.serving(ctx)
	}
	s.keep(s.config())
	s.sendTo(s.config()) // not before: the server before this one does until then
	return nil
}

func loadConfig(o Options) (*config.Config, error) {
	switch {
	case o.Tests.Config != nil:
		return o.Tests.Config, nil
	case o.ConfigPath == "":
		return config.Default(DefaultConfig(), o.Environ)
	}
	return config.Options{AllowPortZero: o.Tests.PortZero}.Load(o.ConfigPath, o.Environ)
}

func (s *Server) makePoints() {
	points := map[string]*point.Point{}
	for _, c := range s.config().Points {
		points[c.Name] = s.newPoint(c, s.config().File)
	}
	s.room.SetPoints(points)
}

// ready is called for each rendition that gets its first header.
func (s *Server) ready(p *point.Point, r *point.Rendition) {
	r.Log.OnEarly(func(kept media.Time) {
		s.log.Warn("buffer is shorter than asked for: its bytes are all taken; raise limits.buffer or lower buffer", "point", p.Name(), "rendition", r.Name(),
			"buffer", p.Options().Buffer, "held", kept.Duration(), "limits.buffer", r.Log.MaxBytes())
	})
	s.costs.add(p, r)
	s.room.Ready(p, r)
}

// Close drains the server: nobody joins any more, viewers get the end that their
// protocol has for it and may finish until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	// The lock is not held over the drain: whoever asks for the status meanwhile, a
	// scrape of the metrics say, must get it, and the admin API waits for its askers.
	s.changes.watch.end()
	s.leaveSuccession()
	s.mu.Lock()
	s.closing = true
	for _, l := range s.listeners {
		l.halt()
	}
	s.mu.Unlock()
	s.changes.wait()
	s.sap.Close(false)
	s.room.Drain()
	for _, p := range s.room.Points() {
		p.Close()
	}
	s.multicast.Close()
	s.waitForViewers(ctx)
	s.vitals.taps.end() // the admin API waits for whoever reads one
	s.abort()
	return nil
}

// waitForViewers returns when the last viewer has left, or ctx has ended.
func (s *Server) waitForViewers(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond) // chosen: unnoticed by a person
	defer tick.Stop()
	for s.pool.Stats().Viewers > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// abort ends everything at once.
func (s *Server) abort() {
	s.vitals.records.journal.Dismiss() // the admin API waits for whoever reads
	if s.admin != nil {
		s.admin.Close()
	}
	for _, l := range s.listeners {
		l.stop()
	}
	s.changes.end()
	s.costs.close()
	s.sap.Close(false)
	s.multicast.Close()
	s.pool.Close()
	s.closeSuccession()
	s.room.Close()
	s.closeHomes()
	s.changes.retired.Wait()
	for _, l := range s.listeners {
		l.close()
	}
	s.steering.close()
	s.closeInherited()
	s.vitals.records.close() // last, so that it has heard of all that ended
}

// cacheDir is where compiled plugins are kept; empty if there is no place for them.
func (s *Server) cacheDir() string {
	if d := s.options.Tests.CacheDir; d != "" {
		return d
	}
	if s.config().CacheDir != "" {
		return s.config().CacheDir
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(d, "weir", "modules")
}
