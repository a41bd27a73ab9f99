//go:build !linux

package proc

import (
	"os"

	"github.com/weir-media/weir/host/internal/plugin/proc/launch"
)

func memory() (*os.File, error) { return nil, launch.ErrUnsupported }

func lock(*os.File) error { return launch.ErrUnsupported }
