package hosttest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/weir-media/weir/host"
)

// TakeOver starts another server with the same configuration and plugins, which takes
// over from this one. It fails the test if that fails.
func (s *Server) TakeOver() *Server {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, configFile))
	if err != nil {
		s.t.Fatal(err)
	}
	next, err := s.TryTakeOver(string(text))
	if err != nil {
		s.t.Fatalf("take over: %v", err)
	}
	return next
}

// TryTakeOver is TakeOver with another configuration, and gives the host's error.
func (s *Server) TryTakeOver(yaml string) (*Server, error) {
	s.t.Helper()
	const file = "next.yaml"
	if err := os.WriteFile(filepath.Join(s.dir, file), []byte(yaml), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.start(file, s.modules)
}

// start runs another server in the same folder.
func (s *Server) start(file string, from *modules) (*Server, error) {
	next := &Server{t: s.t, dir: s.dir, log: &journal{}, modules: from, label: nextLabel()}
	s.t.Cleanup(func() { next.log.show(s.t) })
	var err error
	next.labelled(func(ctx context.Context) {
		next.host, err = host.Start(ctx, host.Options{
			ConfigPath: filepath.Join(s.dir, file),
			Log:        slog.New(slog.NewTextHandler(next.log, nil)),
			Version:    "test",
			Takeover:   true,
			Tests:      host.TestOptions{Builtin: from.module, CacheDir: cacheDir("modules"), PortZero: true},
		})
	})
	if err != nil {
		next.closed = true
		next.checkGoroutines()
		return nil, fmt.Errorf("start weir: %w", err)
	}
	s.t.Cleanup(next.Close)
	return next, nil
}

// Retired is closed when another server has taken over from this one and nobody needs it any more.
func (s *Server) Retired() <-chan struct{} { return s.host.Retired() }
