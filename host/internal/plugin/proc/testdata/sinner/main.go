// Command sinner does what its input says, for the tests of package proc.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

type sinner struct {
	calls  int
	opened string
}

func newPlugin() *sdk.Plugin {
	s := &sinner{}
	return sdk.New[sdk.Stateless](s.open, s.event)
}

func (s *sinner) open(o *abi.Open) error {
	s.opened = string(o.Config)
	return nil
}

// event answers DATA by a WRITE.
func (s *sinner) event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	d, ok := e.(*abi.Data)
	if !ok {
		return nil
	}
	s.calls++
	command, rest, _ := strings.Cut(string(d.Bytes), " ")
	answer, err := s.do(command, rest)
	if err != nil {
		return err
	}
	p := v.Pieces()
	p.Literal([]byte(answer))
	v.Write(1, p)
	return nil
}

func (s *sinner) do(command, rest string) (string, error) {
	switch command {
	case "echo":
		return rest, nil
	case "calls":
		return fmt.Sprint(s.calls), nil
	case "opened":
		return s.opened, nil
	case "read":
		text, err := os.ReadFile(rest)
		return string(text), err
	case "link":
		return os.Readlink(rest)
	case "descriptors":
		return descriptors(), nil
	case "env":
		return strings.Join(os.Environ(), "\n"), nil
	case "log":
		for i := range 200 {
			sdk.Log(sdk.Warn, fmt.Sprintf("line %d", i))
		}
	case "print":
		fmt.Println("printed", rest)
	case "eat":
		return eat(), nil
	case "escape":
		cmd := exec.Command("/bin/sleep", rest)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return fmt.Sprint(cmd.Start()), nil
	case "child":
		cmd := exec.Command("/bin/sleep", "1000")
		return fmt.Sprint(cmd.Start()), nil
	case "sleep":
		time.Sleep(time.Hour)
	case "nap":
		time.Sleep(20 * time.Millisecond)
	case "spin":
		for { //nolint:staticcheck // it is to spin
		}
	case "panic":
		panic("sin")
	case "exit":
		fmt.Fprintln(os.Stderr, "farewell")
		os.Exit(7)
	case "fail":
		return "", sdk.Fail(abi.EPROTO, "as asked")
	}
	return "", nil
}

func descriptors() string {
	var b strings.Builder
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		b.WriteString(to + "\n")
	}
	return b.String()
}

var eaten [][]byte

func eat() string {
	for range 1 << 16 {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		eaten = append(eaten, b)
	}
	return "full"
}
