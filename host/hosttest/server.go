package hosttest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/weir-media/weir/host"
	"github.com/weir-media/weir/host/internal/admin"
)

// The words of the admin API, in which a Server describes itself.
type (
	Status       = admin.Status
	Point        = admin.Point
	PluginStatus = admin.Plugin
	Fault        = admin.Fault
	Session      = admin.Session
	Multicast    = admin.Multicast
	SAP          = admin.SAP
)

// Server is a weir that runs inside a test. Methods that can fail end the test, so only
// the test's own goroutine may call them; Status, Sessions, Addr, URL and Log may be
// called by any.
type Server struct {
	t       testing.TB
	host    *host.Server
	dir     string
	log     *journal
	modules *modules
	label   string // of the server's goroutines
	closed  bool
}

// Option changes what Start does.
type Option func(*options)

type options struct {
	modules modules
	files   map[string][]byte
	level   slog.Level
	after   func(time.Duration) <-chan time.Time
}

// WithPlugin makes `module: "builtin:NAME"` mean the plugin at from: a folder of Go
// source with its plugin.yaml, or a .wasm file that holds its manifest.
func WithPlugin(name, from string) Option {
	return func(o *options) { o.modules.set(name, place(from)) }
}

// WithModule makes `module: "builtin:NAME"` mean a module that holds its manifest.
func WithModule(name string, module []byte) Option {
	return func(o *options) { o.modules.set(name, bytesOf(module)) }
}

// WithFile puts a file into the configuration's folder, where relative paths start.
func WithFile(name string, content []byte) Option {
	return func(o *options) { o.files[name] = content }
}

// WithDebugLog keeps lines of level debug too.
func WithDebugLog() Option { return func(o *options) { o.level = slog.LevelDebug } }

// WithTimer takes the place of time.After where the server waits until changed files are
// quiet.
func WithTimer(after func(time.Duration) <-chan time.Time) Option {
	return func(o *options) { o.after = after }
}

// configFile is the configuration's name in a server's folder.
const configFile = "plugins.yaml"

// Start runs a server with a configuration in the words of plugins.yaml, in which a
// listener may have port 0. The server ends with the test, which then fails if a
// goroutine of the server is left. Its log is shown if the test fails.
func Start(t testing.TB, yaml string, opts ...Option) *Server {
	t.Helper()
	o := options{files: map[string][]byte{}, level: slog.LevelInfo}
	for _, change := range opts {
		change(&o)
	}
	o.files[configFile] = []byte(yaml)
	s := &Server{t: t, dir: folder(t, o.files), log: &journal{}, modules: &o.modules, label: nextLabel()}
	s.modules.prebuild(yaml)
	t.Cleanup(func() { s.log.show(t) })
	var err error
	s.labelled(func(ctx context.Context) {
		s.host, err = host.Start(ctx, host.Options{
			ConfigPath: filepath.Join(s.dir, configFile),
			Log:        slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: o.level})),
			Version:    "test",
			Tests:      host.TestOptions{Builtin: s.modules.module, CacheDir: cacheDir("modules"), PortZero: true, After: o.after},
		})
	})
	if err != nil {
		t.Fatalf("start weir: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// folder makes a server's folder. Its path is short, unlike that of TB.TempDir with
// the test's name in it: a socket's may have 107 bytes (unix(7)).
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// closeTimeout is how long viewers that are still there may take. Chosen: they are on
// this machine.
const closeTimeout = 2 * time.Second

// Close ends the server before the test does. It may be called again.
func (s *Server) Close() {
	s.t.Helper()
	if s.closed {
		return
	}
	s.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.labelled(func(context.Context) {
		if err := s.host.Close(ctx); err != nil {
			s.t.Errorf("close weir: %v", err)
		}
	})
	s.checkGoroutines()
}

// Dir is the configuration's folder.
func (s *Server) Dir() string { return s.dir }

// Log is what the server has logged so far.
func (s *Server) Log() string { return s.log.String() }

// Addr is "host:port" of a listener's first address.
func (s *Server) Addr(listener string) string {
	s.t.Helper()
	for _, l := range s.host.Status().Listeners {
		if l.Name == listener && l.State == admin.ListenerOpen {
			return reachable(l.Addresses[0])
		}
	}
	s.t.Fatalf("listener %q is not open", listener)
	return ""
}

// reachable turns an address that stands for all of a computer into the loopback's.
func reachable(address string) string {
	at, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(at); err == nil && ip.IsUnspecified() {
		at = "127.0.0.1"
		if ip.To4() == nil {
			at = "::1"
		}
		return net.JoinHostPort(at, port)
	}
	return address
}

// Port is the port of a listener's first address.
func (s *Server) Port(listener string) int {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr(listener))
	n, _ := strconv.Atoi(port)
	return n
}

// URL is the URL of a path, such as "/live", on a listener.
func (s *Server) URL(listener, scheme, path string) string {
	s.t.Helper()
	return fmt.Sprintf("%s://%s%s", scheme, s.Addr(listener), path)
}

// Admin is the address of the admin API as `weir --admin` takes it, when the
// configuration leaves it where it is by default.
func (s *Server) Admin() string { return "unix:" + filepath.Join(s.dir, "weir.sock") }

// Enable starts a plugin and opens its listeners that failed. It gives the host's error.
func (s *Server) Enable(plugin string) (err error) {
	s.labelled(func(context.Context) { err = s.host.EnablePlugin(plugin) })
	return err
}

// Disable ends a plugin's sessions and refuses its requests.
func (s *Server) Disable(plugin, reason string) (err error) {
	s.labelled(func(context.Context) { err = s.host.DisablePlugin(plugin, reason) })
	return err
}

// Reload swaps a plugin's module for the one that its folder or file holds now, or that
// Replace gave. It gives the host's error.
func (s *Server) Reload(plugin string) (err error) {
	s.labelled(func(context.Context) { _, err = s.host.ReloadPlugin(plugin, false) })
	return err
}

// StopPoint ends a point's source and viewers until StartPoint. It gives the host's error.
func (s *Server) StopPoint(name, reason string) (err error) {
	s.labelled(func(context.Context) { err = s.host.StopPoint(name, reason) })
	return err
}

// StartPoint lets a stopped point's source and viewers in again. It gives the host's error.
func (s *Server) StartPoint(name string) (err error) {
	s.labelled(func(context.Context) { err = s.host.StartPoint(name) })
	return err
}

// Replace changes what `builtin:NAME` means from the next Enable or Reload on.
func (s *Server) Replace(name string, module []byte) { s.modules.set(name, bytesOf(module)) }
