package holder

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childTask tells a test that was started once more what to do: "hold ADDRESS" or "find ADDRESS".
const childTask = "WEIR_TEST_HOLDER"

func TestMain(m *testing.M) {
	task, address, _ := strings.Cut(os.Getenv(childTask), " ")
	switch task {
	case "hold":
		ln, err := net.Listen("tcp4", address)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, ln.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "find":
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		all, err := Find(ctx, false, netip.MustParseAddrPort(address))
		cancel()
		fmt.Fprintln(os.Stdout, len(all), err, all)
	default:
		os.Exit(m.Run())
	}
}

const nobody = 65534

// child starts this program for a task, as a user and in a network namespace of its own if that is wanted.
func child(t *testing.T, task string, how syscall.SysProcAttr) (line string, pid int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childTask+"="+task)
	cmd.SysProcAttr = &how
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if failed := cmd.Wait(); failed != nil {
			t.Errorf("%s: %v", task, failed)
		}
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", task, err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start programs as another user, or in a network namespace")
	}
}

func TestAnotherProgram(t *testing.T) {
	address, pid := child(t, "hold 127.0.0.1:0", syscall.SysProcAttr{})
	all := find(t, false, netip.MustParseAddrPort(address))
	if len(all) != 1 || all[0].PID != pid || all[0].Kind != Other || all[0].User == "" || !strings.Contains(all[0].String(), fmt.Sprintf("(pid %d, user ", pid)) {
		t.Errorf("found %+v", all)
	}
}

// TestInvisible: who may not look into a process is told its user.
func TestInvisible(t *testing.T) {
	needRoot(t)
	held := listenTCP(t, "tcp4", "127.0.0.1:0")
	line, _ := child(t, "find "+held.String(), syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
	if want := "1 <nil> [another program of user " + userName(0) + " (its process is not visible to this user)]"; line != want {
		t.Errorf("found %q, want %q", line, want)
	}
	address, pid := child(t, "hold 127.0.0.1:0", syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
	if all := find(t, false, netip.MustParseAddrPort(address)); len(all) != 1 || all[0].PID != pid || all[0].User != userName(nobody) {
		t.Errorf("root finds %+v", all)
	}
}

// TestAnotherNamespace: the same port of another network namespace is in nobody's way.
func TestAnotherNamespace(t *testing.T) {
	needRoot(t)
	address, _ := child(t, "hold 0.0.0.0:0", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
	if all := find(t, false, netip.MustParseAddrPort(address)); len(all) != 0 {
		t.Errorf("found %+v", all)
	}
}
