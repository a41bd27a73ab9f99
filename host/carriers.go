package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/builtin"
	"github.com/weir-media/weir/host/internal/plugin/proc"
	"github.com/weir-media/weir/host/internal/plugin/record"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// module is a plugin's code and manifest, judged but not compiled or started.
type module struct {
	code     []byte // nil for a program, which is read anew when it is started
	text     []byte // of the manifest
	hash     string // SHA-256 in lower-case hex
	manifest *manifest.Manifest
}

// read reads a plugin's module, or asks its program, and judges the manifest against
// the configuration.
func (s *Server) read(p config.Plugin) (module, error) {
	x, err := s.fetch(p)
	if err != nil {
		return module{}, err
	}
	m := x.manifest
	if len(m.Features.Required) > 0 { // this host offers none yet
		return module{}, fmt.Errorf("manifest: features.required: this weir does not have %s; use a newer weir, or a plugin that does without", strings.Join(m.Features.Required, ", "))
	}
	if len(p.Config) > 0 || len(m.Config.JSON()) > 0 {
		settings := p.Config
		if settings == nil {
			settings = map[string]any{}
		}
		if err := m.CheckConfig(settings); err != nil {
			return module{}, fmt.Errorf("config: %w", err)
		}
	}
	return x, nil
}

// fetch reads what plugins.yaml names, checks its hash and parses its manifest.
func (s *Server) fetch(p config.Plugin) (x module, err error) {
	if p.Exec != "" { // it may take five times Limits.Open (proc.Options)
		x.text, x.hash, err = proc.ReadManifest(context.Background(), s.program(p))
	} else if x.code, err = s.code(p); err == nil {
		x.hash = hash(x.code)
		if p.SHA256 != "" && x.hash != p.SHA256 {
			return module{}, fmt.Errorf("the module's SHA-256 is %s, not what sha256: says; put back the right file, or write this hash if the change is yours", x.hash)
		}
		x.text, err = wasm.ReadManifest(x.code)
	}
	if err != nil {
		return module{}, err
	}
	if x.manifest, err = manifest.Parse(x.text); err != nil {
		return module{}, fmt.Errorf("manifest: %w", err)
	}
	return x, nil
}

func (s *Server) code(p config.Plugin) ([]byte, error) {
	switch {
	case p.Builtin != "" && s.options.Tests.Builtin != nil:
		return s.options.Tests.Builtin(p.Builtin)
	case p.Builtin != "":
		return builtin.Module(p.Builtin)
	}
	return wasm.ReadModule(p.Module)
}

// program words a plugin's configuration for the carrier of processes.
func (s *Server) program(p config.Plugin) proc.Options {
	return proc.Options{Name: p.Name, Path: p.Exec, SHA256: p.SHA256, User: p.User, Limits: granted(p.Limits),
		Files: p.Limits.Files, Processes: p.Limits.Processes, Log: s.log, Spent: s.vitals.programs.of(p.Name)}
}

// problem words a plugin's fault as one of the configuration.
func (s *Server) problem(p config.Plugin, err error) config.Problem {
	return problem(s.config(), p, err)
}

func problem(c *config.Config, p config.Plugin, err error) config.Problem {
	key := []string{"plugins", p.Name}
	for _, part := range []string{"config", "user"} {
		if text, ok := strings.CutPrefix(err.Error(), part+": "); ok {
			return c.Problem(text, append(key, part)...)
		}
	}
	return c.Problem(err.Error(), append(key, codeKey(p))...)
}

// codeKey is the key that names a plugin's code.
func codeKey(p config.Plugin) string {
	if p.Exec != "" {
		return "exec"
	}
	return "module"
}

// open opens a plugin's module behind the plugin's tap.
func (s *Server) open(ctx context.Context, p config.Plugin, m module) (plugin.Generation, error) {
	g, err := s.carry(ctx, p, m)
	if err != nil {
		return nil, err
	}
	return record.Wrap(g, s.vitals.taps.of(p.Name)), nil
}

// carry compiles a plugin's module, or starts its program.
func (s *Server) carry(ctx context.Context, p config.Plugin, m module) (plugin.Generation, error) {
	if p.Exec != "" {
		return s.startProgram(ctx, p, m)
	}
	return s.compile(ctx, p, m)
}

// startProgram starts the program that was judged: its file may have changed since.
func (s *Server) startProgram(ctx context.Context, p config.Plugin, m module) (plugin.Generation, error) {
	o := s.program(p)
	o.SHA256, o.Manifest = m.hash, m.text
	return proc.Open(ctx, o)
}

func hash(code []byte) string {
	sum := sha256.Sum256(code)
	return hex.EncodeToString(sum[:])
}
