package readme_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
	"github.com/weir-media/weir/host/hosttest"
)

// frames is what 3 s of a stream with 15 pictures a second must give, as issue and page promise.
const frames = 44

// play runs a player without a screen until it has shown pictures.
func (r *reader) play(t *testing.T, line string) {
	program, rest, _ := strings.Cut(line, " ")
	switch program {
	case "ffplay":
		child.Need(t, program)
		p := child.Start(t, r.command("exec ffplay -stats "+rest, "SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"))
		p.Until("ffplay has shown sound and pictures for a second", p.Log, showsSecond)
		p.Signal(syscall.SIGINT)
		p.Wait()
	case "mpv":
		child.Need(t, program)
		out, log := r.run(t, "mpv --no-config --vo=null --ao=null --frames="+strconv.Itoa(frames)+" "+rest)
		if !strings.Contains(out+log, "(+) Video") {
			t.Errorf("%s: no picture in what it found", line)
		}
	case "vlc":
		child.Need(t, "cvlc")
		p := child.Start(t, r.command(asUser(t)+"cvlc -vv -I dummy --vout=dummy --aout=dummy "+rest))
		p.Until("VLC has shown a picture", p.Log, func(text string) bool { return strings.Contains(text, "Received first picture") })
	case "gst-launch-1.0":
		child.Need(t, program)
		p := child.Start(t, r.command("exec gst-launch-1.0 -v "+rest+" video-sink=fakesink audio-sink=fakesink"))
		p.Until("GStreamer has decoded a picture", p.Out, func(text string) bool {
			return strings.Contains(text, "fakesink") && strings.Contains(text, "caps = video/x-raw")
		})
		p.Signal(syscall.SIGINT)
		p.Wait()
	default:
		t.Errorf("%s: this test does not know the player", line)
	}
}

// ffplayClock is how ffplay -stats tells, many times a second, the time that it shows and how far sound and picture are apart. With one of the two
// alone it says M-A or M-V.
var ffplayClock = regexp.MustCompile(`(\d+\.\d+) A-V:`)

func showsSecond(log string) bool {
	all := ffplayClock.FindAllStringSubmatch(log, -1)
	if len(all) == 0 {
		return false
	}
	first, err := strconv.ParseFloat(all[0][1], 64)
	if err != nil {
		return false
	}
	latest, err := strconv.ParseFloat(all[len(all)-1][1], 64)
	return err == nil && latest-first >= 1
}

// asUser begins a line for VLC, which refuses to be root: another user with a home of its own.
func asUser(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "weir-vlc-") // not TB.TempDir: other users may not enter where that is
	if err == nil {
		err = os.Chmod(home, 0o777) // the umask would narrow the mode of MkdirTemp
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	if os.Getuid() != 0 {
		return "exec env HOME=" + home + " "
	}
	if _, err := exec.LookPath("runuser"); err != nil {
		t.Skip("VLC refuses to run as root, and runuser is not installed")
	}
	return "cd " + home + " && exec runuser -u nobody -- env HOME=" + home + " "
}

var frameCount = regexp.MustCompile(`frame= *(\d+)`)

// decode runs a line that decodes three seconds and says how many pictures they had.
func (r *reader) decode(t *testing.T, line string) {
	t.Helper()
	_, log := r.run(t, line)
	n := 0
	if all := frameCount.FindAllStringSubmatch(log, -1); len(all) > 0 {
		n, _ = strconv.Atoi(all[len(all)-1][1])
	}
	if n < frames {
		t.Errorf("%s: %d frames, at least %d expected\n%s", line, n, frames, log)
	}
}

// push runs an encoder, and while it runs the lines that decode what it sends.
func (r *reader) push(t *testing.T, line string, decoders []string) {
	t.Helper()
	encoder := child.Start(t, r.command("exec "+line))
	r.awaitLive(t)
	each(t, decoders, r.decode)
	encoder.Signal(syscall.SIGTERM)
	encoder.Wait()
	r.await(t, "has no source", func(p hosttest.Point) bool { return p.State != "live" })
}

// each runs lines at once, each as a test of its own.
func each(t *testing.T, lines []string, run func(t *testing.T, line string)) {
	t.Helper()
	t.Run("at once", func(t *testing.T) {
		for _, line := range lines {
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				run(t, line)
			})
		}
	})
}
