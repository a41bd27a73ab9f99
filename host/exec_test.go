package host_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host"
	"github.com/weir-media/weir/host/hosttest"
)

// execConfig runs testplugins/hello as a process, at the path that exec names.
func execConfig(exec string) string {
	return `
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  hello: {` + exec + `, listeners: [web], limits: {open: 20s, event: 5s}}
`
}

func greeting(t *testing.T, s *hosttest.Server) string {
	t.Helper()
	r, err := http.Get(s.URL("web", "http", "/hello?name=weir"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("answer %d %q %v", r.StatusCode, text, err)
	}
	return string(text)
}

// TestExec: a plugin that is a process answers, and goes on answering when the process is killed.
func TestExec(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, execConfig(hosttest.Exec(t, "../testplugins/hello")))
	for restarts := range uint64(3) {
		if got := greeting(t, s); !strings.HasPrefix(got, "hello, weir") {
			t.Errorf("%q", got)
		}
		st := s.Plugin("hello")
		if st.Carrier != "proc" || st.PID == 0 || st.Restarts != restarts || st.Faults != 0 {
			t.Errorf("after %d kills: %+v", restarts, st)
		}
		if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.Wait("the next process", func() bool {
			now := s.Plugin("hello")
			return now.PID != 0 && now.PID != st.PID
		})
	}
}

// TestExecChanges: a changed executable is a new generation for reload and for apply, and one that does not start leaves the old one in force.
func TestExecChanges(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(hosttest.BuildProc(t, "../testplugins/hello"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hello")
	write := func(text []byte) {
		t.Helper()
		if err = os.WriteFile(path+"-new", text, 0o755); err != nil {
			t.Fatal(err)
		}
		if err = os.Rename(path+"-new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(program)
	exec := "exec: " + path
	if os.Geteuid() == 0 {
		exec += ", user: nobody"
	}
	yaml := execConfig(exec)
	s := hosttest.Start(t, yaml)
	first := s.Plugin("hello")

	write(append(program, 0)) // what lies behind an ELF file's end does not matter
	plan, err := s.Plan(yaml)
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Name != "hello" {
		t.Errorf("plan: %+v %v", plan, err)
	}
	if err := s.Reload("hello"); err != nil {
		t.Fatal(err)
	}
	second := s.Plugin("hello")
	if second.Hash == first.Hash || second.Generation <= first.Generation || second.PID == first.PID {
		t.Errorf("%+v after %+v", second.Carriage, first.Carriage)
	}
	greeting(t, s)

	write([]byte("\x7fELF no more"))
	if err := s.Reload("hello"); err == nil || !strings.Contains(err.Error(), "exec format error") {
		t.Errorf("reload: %v", err)
	}
	if now := s.Plugin("hello"); now.Generation != second.Generation || now.PID != second.PID {
		t.Errorf("%+v; was %+v", now.Carriage, second.Carriage)
	}
	greeting(t, s)

	write(append(program, 0, 0))
	if _, err := s.Apply(yaml); err != nil {
		t.Fatal(err)
	}
	if now := s.Plugin("hello"); now.Hash == second.Hash {
		t.Error("apply kept the old program")
	}
	greeting(t, s)
}

// TestExecCheck: weir check says who may run a process, and that it is no sandbox.
func TestExecCheck(t *testing.T) {
	t.Parallel()
	exec := hosttest.Exec(t, "../testplugins/hello")
	path := filepath.Join(t.TempDir(), "plugins.yaml")
	check := func(exec string) ([]string, error) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(execConfig(exec), ":0\"", ":8080\"")), 0o600); err != nil {
			t.Fatal(err)
		}
		return host.Check(path, nil)
	}
	warnings, err := check(exec)
	if err != nil || !strings.Contains(strings.Join(warnings, "\n"), "a process is no sandbox") {
		t.Errorf("%q %v", warnings, err)
	}
	if _, err := check(exec + `, sha256: "` + strings.Repeat("0", 64) + `"`); err == nil || !strings.Contains(err.Error(), "not what sha256: says") {
		t.Errorf("%v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if _, err := check(strings.TrimSuffix(exec, ", user: nobody")); err == nil || !strings.Contains(err.Error(), "user: is required when weir runs as root") {
		t.Errorf("%v", err)
	}
}

// TestExecTakeOver: the new server has processes of its own, and the old one's end with it.
func TestExecTakeOver(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, execConfig(hosttest.Exec(t, "../testplugins/hello")))
	greeting(t, s)
	old := s.Plugin("hello").PID
	next := s.TakeOver()
	if got := greeting(t, next); !strings.HasPrefix(got, "hello, weir") {
		t.Errorf("%q", got)
	}
	if now := next.Plugin("hello").PID; now == 0 || now == old {
		t.Errorf("process %d after %d", now, old)
	}
	<-s.Retired()
	s.Close()
	if err := syscall.Kill(old, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is there: %v", old, err)
	}
}
