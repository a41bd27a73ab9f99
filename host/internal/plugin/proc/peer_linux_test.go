package proc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// TestQuota: a program that takes no more streams is not waited for longer than a start may take, neither by New nor by Close.
func TestQuota(t *testing.T) {
	o, _ := hostile(t, "quota")
	o.Limits.Open = time.Second
	g := opened(t, o)
	first := instanceOf(t, g)
	ended := make(chan *plugin.Fault)
	go func() {
		_, f := g.New()
		ended <- f
	}()
	select {
	case f := <-ended:
		if f == nil || f.Kind != plugin.Start || !strings.Contains(f.Cause.Error(), "does not take another instance within 1s") {
			t.Errorf("%+v", f)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("New hangs")
	}
	closed := make(chan struct{})
	go func() {
		first.Close()
		g.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("Close hangs")
	}
}

// TestCondemned: a call that is lost with a process which is ended for not taking a stream is not to blame.
func TestCondemned(t *testing.T) {
	o, _ := hostile(t, "quota")
	o.Limits.Open = 500 * time.Millisecond
	g := opened(t, o)
	first := instanceOf(t, g)
	lost := make(chan *plugin.Fault)
	go func() {
		_, f := first.Call(time.Minute, request("do hang"))
		lost <- f
	}()
	for g.life.now().traffic.count() == 0 { // nobody tells of a call that begins
		runtime.Gosched()
	}
	if _, f := g.New(); f == nil {
		t.Error("a second instance")
	}
	if f := <-lost; f == nil || !f.Lost || !f.Shared {
		t.Errorf("%+v", f)
	}
}

// TestStrangers: weir calls nothing of a program but its own service, so that what go-plugin's broker and its copy of the output keep cannot grow.
func TestStrangers(t *testing.T) {
	o, j := hostile(t, "talk")
	i := instanceOf(t, opened(t, o))
	for range 3 {
		if _, f := i.Call(0, request("echo")); f != nil {
			t.Fatalf("%+v", f)
		}
	}
	i.process.run.kill()
	<-i.process.silent
	text := j.String()
	if strings.Contains(text, "asked for") {
		t.Errorf("weir called another service\n%s", text)
	}
	if !strings.Contains(text, `level=WARN msg="on standard output"`) || !strings.Contains(text, `level=INFO msg="at its end"`) {
		t.Errorf("standard output is not in the log\n%s", text)
	}
}

// TestLongManifest: what is longer than a manifest may be is not even received.
func TestLongManifest(t *testing.T) {
	o, _ := hostile(t, "novel")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Open(t.Context(), o)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("%.200v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// TestLongStatus: of what a program says of its trap so much is kept, and it is text.
func TestLongStatus(t *testing.T) {
	o, _ := hostile(t, "status")
	g := opened(t, o)
	var before, after runtime.MemStats
	for _, n := range []int{12 << 10, 4 << 20} { // within the bound of headers, and beyond
		i := instanceOf(t, g)
		runtime.ReadMemStats(&before)
		_, f := i.Call(0, request(fmt.Sprintf("do novel %d", n)))
		runtime.ReadMemStats(&after)
		if f == nil || f.Kind != plugin.Trap || f.Lost {
			t.Fatalf("%.300v", f)
		}
		if len(f.Cause.Error()) > maxCause || len(f.Stack) > maxStack || strings.ToValidUTF8(f.Error(), "") != f.Error() {
			t.Errorf("%d bytes of cause, %d of stack", len(f.Cause.Error()), len(f.Stack))
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%d bytes were allocated", n)
		}
	}
	if g.Restarts() != 0 {
		t.Error("the process was ended")
	}
}

// TestStatusCodes: whatever the status with which a program ends a stream, it is that instance's end alone.
func TestStatusCodes(t *testing.T) {
	o, _ := hostile(t, "status")
	g := opened(t, o)
	other := instanceOf(t, g)
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		want, cause := plugin.Trap, "as asked"
		if code == codes.OK {
			want, cause = plugin.Exit, "the program ended the instance"
		}
		_, f := instanceOf(t, g).Call(0, request(fmt.Sprintf("do status %d", code)))
		if f == nil || f.Kind != want || f.Lost || f.Cause.Error() != cause || want == plugin.Trap && f.Stack != "stack" {
			t.Errorf("%v: %+v", code, f)
		}
	}
	_, f := instanceOf(t, g).Call(0, request(fmt.Sprintf("do long %d", 2*abi.UsualBox)))
	if f == nil || f.Kind != plugin.BadBatch || f.Lost {
		t.Errorf("a long answer: %+v", f)
	}
	if _, f := other.Call(0, request("echo")); f != nil || g.Restarts() != 0 {
		t.Errorf("%d restarts, %+v", g.Restarts(), f)
	}
}

// TestLink: weir does not go where a program's link leads.
func TestLink(t *testing.T) {
	o, _ := hostile(t, "link")
	victim, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(builtIn, "victim"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	g, err := Open(t.Context(), o)
	if err == nil {
		g.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "what the program says is its socket is not one") {
		t.Errorf("%v", err)
	}
	if err = victim.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if conn, no := victim.Accept(); !errors.Is(no, os.ErrDeadlineExceeded) {
		t.Errorf("somebody came: %v %v", conn, no)
	}
	// Nor to a socket that is another account's.
	if _, err = connect(filepath.Join(builtIn, "victim"), uint32(os.Geteuid())+1); err == nil || !strings.Contains(err.Error(), "is not of user") {
		t.Errorf("%v", err)
	}
	conn, err := connect(filepath.Join(builtIn, "victim"), uint32(os.Geteuid()))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
