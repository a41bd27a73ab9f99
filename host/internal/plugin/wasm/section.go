package wasm

import (
	"errors"
	"fmt"

	"github.com/weir-media/weir/abi/v1"
)

// ErrNoManifest is in the error of ReadManifest for a module without the section weir.manifest.
var ErrNoManifest = errors.New("module has no section " + abi.ManifestSection)

// ReadManifest gives the plugin.yaml that WithManifest put into the module, a view of the module.
func ReadManifest(module []byte) ([]byte, error) {
	report, err := Inspect(module)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if report.manifests == 0 {
		return nil, fmt.Errorf("read manifest: %w; it is no plugin, or was built without `weir plugin build`, which puts plugin.yaml there", ErrNoManifest)
	}
	if err := report.judgeManifest(); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return report.Manifest, nil
}

// WithManifest gives a copy of the module with the manifest in its custom section weir.manifest, in place of any that it had. Bytes that are not a
// module come back as they are, and Inspect says what is wrong with them.
func WithManifest(module, manifest []byte) []byte {
	sections, err := split(module)
	if err != nil {
		return append([]byte(nil), module...)
	}
	out := make([]byte, 0, len(module)+len(manifest)+64)
	out = append(out, header...)
	for _, s := range sections {
		if s.id != secCustom || s.name != abi.ManifestSection {
			out = append(out, module[s.start:s.end]...)
		}
	}
	body := appendU32(nil, uint32(len(abi.ManifestSection)))
	body = append(body, abi.ManifestSection...)
	return appendSection(out, secCustom, append(body, manifest...))
}
