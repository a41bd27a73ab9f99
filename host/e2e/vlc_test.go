package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

func init() {
	plays = append(plays,
		play{"vlc mmsh", "live", vlc, func(t *testing.T, s server) { vlcPlays(t, s.mmsh("/live")) }},
		play{"vlc mms", "live", vlc, func(t *testing.T, s server) { vlcPlays(t, s.mms("/live")) }},
		play{"vlc http asf", "live", vlc, func(t *testing.T, s server) { vlcPlays(t, s.http("/live")) }},
		play{"vlc http ts", "ts", vlc, func(t *testing.T, s server) { vlcPlays(t, s.http("/ts")) }},
		play{"vlc asx", "live", vlc, func(t *testing.T, s server) { vlcPlays(t, s.http("/live.asx")) }},
	)
}

// saved is how many pictures VLC must save; it saves every fifth, so they are more
// than 3 s of a stream.
const saved = 10

// vlcPlays has VLC save pictures of what it shows.
func vlcPlays(t *testing.T, url string) {
	t.Helper()
	scenes := openFolder(t)
	c := startCommand(t, vlcCommand(scenes, "--video-filter=scene", "--scene-format=png", "--scene-ratio=5", "--scene-path="+scenes, url))
	shown := 0
	hosttest.Eventually(t, "VLC has saved pictures", func() bool {
		files, err := filepath.Glob(filepath.Join(scenes, "*.png"))
		if err != nil {
			t.Fatal(err)
		}
		shown = len(files)
		return shown >= saved || c.ended()
	})
	if shown < saved {
		t.Errorf("VLC ended with %v after %d pictures, %d expected", c.err, shown, saved)
	}
}

// openFolder makes a folder that any user may write to. That of TB.TempDir lies in one
// that they may not enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-vlc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // not the mode of MkdirTemp: the umask would narrow it
		t.Fatal(err)
	}
	return dir
}

// vlcCommand runs VLC without a screen; as another user for root, whom it refuses.
func vlcCommand(home string, arguments ...string) *exec.Cmd {
	all := append([]string{"HOME=" + home, vlc.name, "-vv", "-I", "dummy", "--vout=dummy", "--aout=dummy"}, arguments...)
	if os.Getuid() == 0 {
		return exec.Command("runuser", append([]string{"-u", "nobody", "--", "env"}, all...)...)
	}
	return exec.Command("env", all...)
}
