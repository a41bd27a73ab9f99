package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// parentMark makes the test binary a weir that runs the plugin at that path, until it is killed.
const parentMark = "WEIR_TEST_PARENT"

func beParent(path string) {
	g, err := Open(context.Background(), Options{Path: path, User: nobody(), Limits: plugin.Limits{Open: 20 * time.Second}})
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, g.(*generation).PID())
	select {}
}

// TestDiesWithWeir: a weir that is killed leaves no process behind.
func TestDiesWithWeir(t *testing.T) {
	path, err := sinner()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), parentMark+"="+path, "TMPDIR="+builtIn)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, notNumber := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || notNumber != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("%q %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !gone(pid); { // nobody tells of a process that is not ours
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("process %d outlives weir", pid)
		}
	}
}

// gone also takes a zombie for dead: who has to reap it is not weir any more.
func gone(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(text), ") Z ")
}
