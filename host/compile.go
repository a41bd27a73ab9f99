package host

import (
	"context"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// compile compiles a plugin's module for instances in a sandbox. It has a file of its
// own since host/bench/native lays another over it, to measure what the sandbox costs.
func (s *Server) compile(ctx context.Context, p config.Plugin, m module) (plugin.Generation, error) {
	return wasm.Open(ctx, wasm.Options{Name: p.Name, Module: m.code, CacheDir: s.cacheDir(), Log: s.log, Limits: granted(p.Limits)})
}
