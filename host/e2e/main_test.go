// Package e2e has programs that weir's authors did not write push to it and play from
// it: ffmpeg, VLC, mpv, mplayer, GStreamer, curl.
//
// It owns the clients' processes and the servers of package hosttest that they talk
// to. Each test asserts what the client itself reports: frames decoded, pictures saved,
// exit status. It waits for events, never for a fixed time, and never looks into the
// host beyond what `weir status` says. A client that is not installed is a skip that
// names the package; where CI is set, a failure.
package e2e

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// perCPU is how many tests run at once for each CPU, unless -parallel says so. Chosen:
// clients that play live streams mostly wait for them.
const perCPU = 5

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		_ = flag.Set("test.parallel", strconv.Itoa(perCPU*runtime.NumCPU())) // the flag is there: package testing defines it
	}
	os.Exit(m.Run())
}
