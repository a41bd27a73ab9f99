package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
)

// Options says what to open.
type Options struct {
	Name     string        // of the plugin, for errors and logs; empty: the manifest's
	Module   []byte        // not kept
	CacheDir string        // folder of compiled modules; empty: compile each time
	Limits   plugin.Limits // zero fields: what the manifest asks for, at most the defaults
	Log      *slog.Logger  // nil: slog.Default()
}

// generation is one compiled module with a runtime of its own, so that closing it frees all of its machine code.
type generation struct {
	name     string
	number   uint64
	hash     string
	manifest *manifest.Manifest
	limits   plugin.Limits
	gate     plugin.Gate
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil without a folder
	compiled wazero.CompiledModule

	mu     sync.Mutex
	closed bool
	users  int // instances that are not closed yet
}

// Open judges and compiles a module. None of its code has run when Open returns; that begins with Generation.New. Modules that are not plugins are
// refused with an error that names what is wrong with them.
func Open(ctx context.Context, o Options) (plugin.Generation, error) {
	g, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open plugin %q: %w", o.Name, err)
	}
	return g, nil
}

func open(ctx context.Context, o Options) (*generation, error) {
	if err := judgeSize(int64(len(o.Module))); err != nil {
		return nil, err
	}
	report, err := Inspect(o.Module)
	if err != nil {
		return nil, err
	}
	if err = report.Judge(); err != nil {
		return nil, err
	}
	m, err := manifest.Parse(report.Manifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	hash := sha256.Sum256(o.Module)
	g := &generation{name: o.Name, number: plugin.NextNumber(), hash: hex.EncodeToString(hash[:]), manifest: m, limits: plugin.InForce(o.Limits, m.Limits)}
	if g.name == "" {
		g.name = m.Name
	}
	if report.Memory.Min > g.limits.Memory {
		return nil, fmt.Errorf("it begins with %v of memory, and has a limit of %v; write a larger one (limits: memory, in plugins.yaml or in plugin.yaml)",
			manifest.Size(report.Memory.Min), manifest.Size(g.limits.Memory))
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	log = log.With("plugin", g.name, "generation", g.number)
	g.gate.Log, g.gate.PerSecond = log, g.limits.LogLines
	metered, err := meter(o.Module)
	if err != nil {
		return nil, err
	}
	if err := g.compile(ctx, metered, o.CacheDir, log); err != nil {
		return nil, err
	}
	return g, nil
}

// compile tries the folder of compiled modules and does without it if that fails: a damaged folder must not keep a plugin from starting.
func (g *generation) compile(ctx context.Context, module []byte, cacheDir string, log *slog.Logger) error {
	if cacheDir != "" {
		cache, err := openCache(cacheDir)
		if err == nil {
			if err = g.compileWith(ctx, module, cache); err == nil {
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn("compile without cache", "cause", err)
	}
	return g.compileWith(ctx, module, nil)
}

// compileWith takes over the cache; on an error everything is closed again.
func (g *generation) compileWith(ctx context.Context, module []byte, cache wazero.CompilationCache) error {
	config := wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithDebugInfoEnabled(false)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	g.runtime, g.cache = wazero.NewRuntimeWithConfig(ctx, config), cache
	err := errors.Join(provide(ctx, g.runtime), provideRefuel(ctx, g.runtime))
	if err == nil {
		err = g.compileCode(ctx, module)
	}
	if err != nil {
		g.free()
		return fmt.Errorf("compile module: %w", err)
	}
	return nil
}

// compileCode fails where wazero panics, as it does for some modules that are invalid.
func (g *generation) compileCode(ctx context.Context, module []byte) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("%w: %v", errCompiler, caught)
		}
	}()
	g.compiled, err = g.runtime.CompileModule(ctx, module)
	return err
}

var errCompiler = errors.New("wazero gave up")

func (g *generation) Manifest() *manifest.Manifest { return g.manifest }
func (g *generation) Number() uint64               { return g.number }
func (g *generation) Hash() string                 { return g.hash }
func (g *generation) Carrier() string              { return "wasm" }
func (g *generation) Limits() plugin.Limits        { return g.limits }

// Close frees the machine code, once the last instance is closed: it must not vanish under a running guest.
func (g *generation) Close() {
	g.mu.Lock()
	last := !g.closed && g.users == 0
	g.closed = true
	g.mu.Unlock()
	if last {
		g.free()
	}
}

// enter counts an instance; it fails after Close.
func (g *generation) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.users++
	}
	return !g.closed
}

func (g *generation) leave() {
	g.mu.Lock()
	g.users--
	last := g.closed && g.users == 0
	g.mu.Unlock()
	if last {
		g.free()
	}
}

func (g *generation) free() {
	_ = g.runtime.Close(context.Background()) // closes what it holds even when it reports an error
	if g.cache != nil {
		_ = g.cache.Close(context.Background())
	}
	if g.gate.Log != nil {
		g.gate.Close()
	}
}
