package native

import (
	"bytes"
	"fmt"
)

// linkedText gives a plugin's constructor to the list.
const linkedText = `package %s

// New makes the plugin.
var New = newPlugin
`

// compileText opens a built-in plugin that is linked in without a sandbox, and any other as a release does.
const compileText = `package host

import (
	"context"

	"github.com/weir-media/weir/host/bench/native/inproc"
	"github.com/weir-media/weir/host/bench/native/linked"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

func (s *Server) compile(ctx context.Context, p config.Plugin, m module) (plugin.Generation, error) {
	if p.Builtin != "" {
		if fresh := linked.Plugin(p.Builtin); fresh != nil {
			return inproc.Open(inproc.Options{Name: p.Name, Manifest: m.manifest, Hash: m.hash, New: fresh, Log: s.log, Limits: granted(p.Limits)}), nil
		}
	}
	return wasm.Open(ctx, wasm.Options{Name: p.Name, Module: m.code, CacheDir: s.cacheDir(), Log: s.log, Limits: granted(p.Limits)})
}
`

// listOf is the list of plugins that are linked in.
func listOf(names []string) []byte {
	var imports, entries bytes.Buffer
	for _, name := range names {
		fmt.Fprintf(&imports, "\t%s %q\n", packageOf(name), module+"/plugins/"+name)
		fmt.Fprintf(&entries, "\t\t%q: %s.New,\n", name, packageOf(name))
	}
	return fmt.Appendf(nil, `package linked

import (
	"github.com/weir-media/weir/sdk"
%s)

func plugins() map[string]func() *sdk.Plugin {
	return map[string]func() *sdk.Plugin{
%s	}
}
`, &imports, &entries)
}
