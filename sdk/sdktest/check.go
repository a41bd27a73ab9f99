package sdktest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// Carrier takes frames to a plugin: natively, in Wasm or in a process. The verdicts
// may be reused by the next call. It is used by one goroutine at a time.
type Carrier interface {
	Call(frame []byte) (verdicts []byte, err error)
}

// Check runs a script that names no files, from OPEN on. Its error names the line.
func Check(script []byte, c Carrier) error { return check(script, c, nil) }

// CheckFile runs the script at path; the files it names lie in the same folder.
func CheckFile(path string, c Carrier) error {
	script, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("check script: %w", err)
	}
	return check(script, c, os.DirFS(filepath.Dir(path)))
}

func check(script []byte, c Carrier, files fs.FS) error {
	lines, err := split(string(script))
	if err != nil {
		return err
	}
	r := &run{host: newHost(c), files: files}
	for i := 0; i < len(lines); {
		n, err := r.step(lines[i:])
		if err != nil {
			return fmt.Errorf("line %d: %w", lines[i].number, err)
		}
		i += n
	}
	return r.settle()
}

// Native carries frames to a plugin in this process. It must be the only user of p.
func Native(p *sdk.Plugin) Carrier { return &native{plugin: p, out: make([]byte, abi.UsualBox)} }

type native struct {
	plugin *sdk.Plugin
	out    []byte
}

func (n *native) Call(frame []byte) ([]byte, error) {
	size := n.plugin.Call(frame, n.out)
	if size < 0 {
		return nil, fmt.Errorf("plugin call: %w", abi.Code(size))
	}
	return n.out[:size], nil
}
