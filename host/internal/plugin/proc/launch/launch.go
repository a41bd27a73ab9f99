// Package launch starts a program that is not trusted: with a user, limits and capabilities of its own.
//
// It owns the way from a descriptor of an executable to a process that can do less than its parent. A Spec and a descriptor come in; a Cmd that
// is ready to be started goes out. That Cmd runs the parent's own executable once more, under a name by which an init function of this package
// knows it: before main it gives up all that the program is not to have, and then becomes the program. So limits hold from the program's first
// instruction on, and every binary that links this package can launch, test binaries too. It never runs a path: what was judged is what runs.
//
// A program of another user has a process namespace of its own where that can be had, in which it is process 1: what it starts cannot outlive it.
// The caller is to read its standard error, or to hold it open.
//
// The process gets SIGKILL when the thread that started it ends; the caller's goroutine is to be locked to its thread until it was waited for.
package launch

import "errors"

// ErrUnsupported says that this system has no launcher.
var ErrUnsupported = errors.New("plugins with exec: need Linux, where their limits can be set; build the plugin as a .wasm module")

// Spec is what the program may do. A zero limit leaves what weir itself has.
type Spec struct {
	Switch bool // to UID and GID; needs root. Without it the program has weir's user
	UID    uint32
	GID    uint32

	Data      uint64 // bytes of private writable memory
	Address   uint64 // bytes of address space
	Files     uint64 // open files
	FileSize  uint64 // bytes of a file that it writes
	Processes uint64 // processes and threads of the user, all programs together

	Parent int // filled in by Command: the process whose death ends the program
}

// name is the launcher's argv[0], and probe that of a process that only says whether it has a process namespace of its own.
const (
	name  = "weir-launch-plugin"
	probe = "weir-launch-probe"
)

// failed is the status of a launcher that did not become the program.
const failed = 127
