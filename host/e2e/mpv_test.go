package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func init() {
	plays = append(plays,
		play{"mpv mms", "live", mpv, func(t *testing.T, s server) { mpvPlays(t, s.mms("/live"), "(wmv2") }},
		play{"mpv mmsh", "live", mpv, func(t *testing.T, s server) { mpvPlays(t, s.mmsh("/live"), "(wmv2") }},
		play{"mpv http ts", "ts", mpv, func(t *testing.T, s server) { mpvPlays(t, s.http("/ts"), "(h264") }},
	)
}

// mpvPlays has mpv show 44 frames, after which it ends by itself: a live stream does
// not end before.
func mpvPlays(t *testing.T, url, codec string) {
	t.Helper()
	mpvShows(t, mpvCommand(t, url), codec).succeeded()
}

// mpvCommand has mpv save each frame that it shows, into the folder in which it runs.
func mpvCommand(t *testing.T, arguments string) *exec.Cmd {
	t.Helper()
	mpv.need(t)
	cmd := exec.Command(mpv.name, fields([]string{"--no-config --vo=image --vo-image-format=jpg --framedrop=no --ao=null --frames=44", arguments})...)
	cmd.Dir = t.TempDir()
	return cmd
}

// mpvShows counts the frames.
func mpvShows(t *testing.T, cmd *exec.Cmd, codec string) *process {
	t.Helper()
	c := startCommand(t, cmd).wait().says("(+) Video --vid=1 " + codec)
	shown, err := filepath.Glob(filepath.Join(cmd.Dir, "*.jpg"))
	if err != nil || len(shown) < enough {
		t.Errorf("mpv has shown %d frames, %d expected (%v)", len(shown), enough, err)
	}
	return c
}
