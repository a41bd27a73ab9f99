//go:build !linux

package proc

import (
	"net"
	"time"

	"github.com/weir-media/weir/host/internal/plugin/proc/launch"
)

// No process is ever started where there is no launcher.

func await(int)     {}
func killGroup(int) {}

type clock struct{}

func clockOf(int) clock           { return clock{} }
func (*clock) now() time.Duration { return 0 }

func connect(string, uint32) (net.Conn, error) { return nil, launch.ErrUnsupported }

type folder struct{ path string }

func newFolder(string) (folder, error) { return folder{}, launch.ErrUnsupported }
func (*folder) remove()                {}
