//go:build !linux

package launch

import (
	"os"
	"os/exec"
)

// Command fails: there is no launcher.
func Command(Spec, *os.File, string, ...string) (*exec.Cmd, error) { return nil, ErrUnsupported }

// Isolates is false: nothing is launched here.
func Isolates() bool { return false }
