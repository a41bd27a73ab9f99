package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// program is a client, and the Debian package that holds it.
type program struct{ name, pack string }

var (
	ffmpeg  = program{"ffmpeg", "ffmpeg"}
	vlc     = program{"cvlc", "vlc-bin and vlc-plugin-base"}
	mpv     = program{"mpv", "mpv"}
	mplayer = program{"mplayer", "mplayer"}
	gst     = program{"gst-launch-1.0", "gstreamer1.0-tools, gstreamer1.0-plugins-ugly and gstreamer1.0-libav"}
	curl    = program{"curl", "curl"}
)

func (p program) need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(p.name); err == nil {
		return
	}
	reason := p.name + " is not installed; it is in the package " + p.pack
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// process is a client that runs. Whatever it does, it ends with the test.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, log output // stdout and stderr
	began    time.Time
	done     chan struct{}
	err      error         // of Wait, once done is closed
	took     time.Duration // likewise
}

// output collects what a process prints while others look at it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what the process prints.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String is all of it so far.
func (o *output) String() string { return string(o.bytes()) }

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.text.Bytes())
}

// start runs a client in a process group of its own. Arguments are split at blanks.
func (p program) start(t *testing.T, arguments ...string) *process {
	t.Helper()
	p.need(t)
	return startCommand(t, exec.Command(p.name, fields(arguments)...))
}

func fields(arguments []string) []string { return strings.Fields(strings.Join(arguments, " ")) }

func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	c := &process{t: t, cmd: cmd, done: make(chan struct{}), began: time.Now()}
	cmd.Stdout, cmd.Stderr = &c.out, &c.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.err = cmd.Wait()
		c.took = time.Since(c.began)
		close(c.done)
	}()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("%s\nstdout: %s\nstderr: %s", cmd, last(c.out.String()), last(c.log.String()))
		}
	})
	return c
}

// last gives the end of a text, where what went wrong stands.
func last(text string) string {
	const most = 6000 // chosen: about a hundred lines
	return text[max(0, len(text)-most):]
}

// run runs a client to its end.
func (p program) run(t *testing.T, arguments ...string) *process {
	t.Helper()
	return p.start(t, arguments...).wait()
}

// wait waits until the client has ended by itself.
func (c *process) wait() *process {
	c.t.Helper()
	hosttest.Eventually(c.t, "the end of "+c.cmd.String(), c.ended)
	return c
}

func (c *process) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// kill ends the client at once, as a crash would.
func (c *process) kill() {
	if !c.ended() {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // it may just have ended
	}
	<-c.done
}

// succeeded asserts exit status 0.
func (c *process) succeeded() *process {
	c.t.Helper()
	if c.err != nil {
		c.t.Errorf("%s: %v", c.cmd, c.err)
	}
	return c
}

// failed asserts an exit status that is not 0.
func (c *process) failed() *process {
	c.t.Helper()
	var status *exec.ExitError
	if !errors.As(c.err, &status) || status.ExitCode() <= 0 {
		c.t.Errorf("%s: ended with %v; an error was expected", c.cmd, c.err)
	}
	return c
}

// says asserts that the client printed a text.
func (c *process) says(text string) *process {
	c.t.Helper()
	if !strings.Contains(c.out.String()+c.log.String(), text) {
		c.t.Errorf("%s: does not say %q", c.cmd, text)
	}
	return c
}

var frameCount = regexp.MustCompile(`frame= *(\d+)`)

// frames is the last count of frames that ffmpeg -progress has printed.
func (c *process) frames() int {
	all := frameCount.FindAllStringSubmatch(c.out.String(), -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(all[len(all)-1][1])
	return n
}

// waitFrames waits until ffmpeg has decoded n frames more than it has now.
func (c *process) waitFrames(n int) {
	c.t.Helper()
	goal := c.frames() + n
	hosttest.Eventually(c.t, strconv.Itoa(goal)+" frames decoded", func() bool { return c.frames() >= goal || c.ended() })
	if c.frames() < goal {
		c.t.Fatalf("%s: ended after %d frames with %v; %d were expected", c.cmd, c.frames(), c.err, goal)
	}
}

// framesOf waits until each of several players has decoded n frames more than it has now.
func framesOf(t *testing.T, players []*process, n int) {
	t.Helper()
	goals := make([]int, len(players))
	for i, c := range players {
		goals[i] = c.frames() + n
	}
	for i, c := range players {
		hosttest.Eventually(t, "frames of "+c.cmd.String(), func() bool { return c.frames() >= goals[i] || c.ended() })
		if c.frames() < goals[i] {
			t.Errorf("%s: ended after %d frames with %v; %d were expected", c.cmd, c.frames(), c.err, goals[i])
		}
	}
}

var damage = regexp.MustCompile(`(?i)conceal|error|missing|invalid|corrupt|non.?monoton|header failed`)

// undamaged asserts that ffmpeg did not complain about the stream.
func (c *process) undamaged() *process {
	c.t.Helper()
	for line := range strings.SplitSeq(c.log.String(), "\n") {
		if damage.MatchString(line) {
			c.t.Errorf("%s: complains: %s", c.cmd, line)
		}
	}
	return c
}
