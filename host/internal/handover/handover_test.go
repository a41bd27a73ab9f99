package handover

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// pair gives two connected sides.
func pair(t testing.TB) (a, b *Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	side := func(fd int) *Conn {
		f := os.NewFile(uintptr(fd), "pair")
		defer f.Close()
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return NewConn(c.(*net.UnixConn))
	}
	return side(fds[0]), side(fds[1])
}

func TestFramesArriveInOrderWithTheirFiles(t *testing.T) {
	a, b := pair(t)
	dir := t.TempDir()
	names := []string{"one", "two", "three"}
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		big := bytes.Repeat([]byte("x"), 3<<20)
		for i, name := range names {
			f, err := os.Create(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
				return
			}
			_ = a.Write(Packet, uint32(i), nil, []byte("before "), []byte(name))
			if err := a.Write(Sockets, uint32(i), []int{int(f.Fd()), int(f.Fd())}, big, []byte(name)); err != nil {
				t.Error(err)
			}
			f.Close()
		}
		_ = a.Write(End, 9, nil)
		_ = a.Flush()
		a.Close()
	})
	for i, name := range names {
		f := read(t, b)
		if f.Kind != Packet || f.Stream != uint32(i) || string(f.Body) != "before "+name {
			t.Fatalf("frame %d: %v %d %q", i, f.Kind, f.Stream, f.Body)
		}
		f = read(t, b)
		if f.Kind != Sockets || len(f.Body) != 3<<20+len(name) || !bytes.HasSuffix(f.Body, []byte(name)) || len(f.Files) != 2 {
			t.Fatalf("frame %d: %v, %d bytes, %d files", i, f.Kind, len(f.Body), len(f.Files))
		}
		if st, err := f.Files[1].Stat(); err != nil || st.Size() != 0 {
			t.Errorf("file of %s: %v", name, err)
		}
		if at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Files[1].Fd())); err != nil || filepath.Base(at) != name {
			t.Errorf("file of %s is %s, %v", name, at, err)
		}
		f.Close()
	}
	if f := read(t, b); f.Kind != End || len(f.Body) != 0 {
		t.Errorf("last frame: %v", f.Kind)
	}
	if _, err := b.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func read(t testing.TB, c *Conn) Frame {
	t.Helper()
	f, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMalformedFramesAreRefused(t *testing.T) {
	for name, raw := range map[string][]byte{
		"kind 0":         appendHead(nil, 0, 0, 0, 0),
		"unknown kind":   appendHead(nil, lastKind+1, 0, 0, 0),
		"too long":       appendHead(nil, Packet, 0, 0, MaxBody+1),
		"too many files": appendHead(nil, Sockets, 0, MaxFiles+1, 0),
		"files missing":  appendHead(nil, Sockets, 0, 1, 0),
	} {
		a, b := pair(t)
		if _, err := a.sock.Write(raw); err != nil {
			t.Fatal(err)
		}
		a.Close()
		if _, err := b.Read(); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, b := pair(t)
	_, _ = a.sock.Write(appendHead(nil, Packet, 0, 0, 10))
	a.Close()
	if _, err := b.Read(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	if err := b.Write(Move, 0, nil, make([]byte, MaxBody+1)); err == nil {
		t.Error("a body beyond MaxBody was written")
	}
}

func TestGreetingsOfAnotherVersion(t *testing.T) {
	if err := NewGreeting(1, "x", nil).Check(); err != nil {
		t.Error(err)
	}
	var g Greeting
	if err := Unmarshal([]byte(`{"protocol":"weir take-over","version":99,"release":"2.0"}`), &g); err != nil {
		t.Fatal(err)
	}
	if err := g.Check(); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("version 99: %v", err)
	}
	if (Greeting{Protocol: "smtp"}).Check() == nil {
		t.Error("a stranger is greeted")
	}
}

func TestSocketIsReplacedInOneStep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if st, statErr := os.Stat(path); statErr != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v", statErr)
	}
	now, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	old.Close()
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = now.SetDeadline(time.Now().Add(10 * time.Second))
	accepted, err := now.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if err := CheckPeer(accepted); err != nil {
		t.Error(err)
	}
	now.Close()
	if _, err := Dial(path); !errors.Is(err, ErrNobody) {
		t.Errorf("a dead server's socket: %v", err)
	}
	if _, err := Dial(path + "x"); !errors.Is(err, ErrNobody) {
		t.Errorf("no socket: %v", err)
	}
}

func TestPackets(t *testing.T) {
	k := media.Packet{PTS: -5, DTS: 1 << 40, Flags: media.Key, Track: 7, Tag: 1 << 63, Bytes: []byte("abc")}
	got, err := ParsePacket(append(AppendPacket(nil, k), k.Bytes...))
	if err != nil || got.PTS != k.PTS || got.DTS != k.DTS || got.Flags != k.Flags || got.Track != k.Track || got.Tag != k.Tag || string(got.Bytes) != "abc" {
		t.Errorf("%+v %v", got, err)
	}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { _ = AppendPacket(buf, k) }); n != 0 {
		t.Errorf("a packet's head takes %v allocations", n)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendHead(nil, Packet, 1, 0, 0))
	f.Add(append(appendHead(nil, Hello, 0, 0, 2), "{}"...))
	f.Add(append(appendHead(nil, Move, 0, 0, 10), Pack(Text{"x"}, []byte("yz"))...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for b := raw; ; {
			h, ok, err := parseHead(b)
			if err != nil || !ok || len(b)-headBytes < h.body {
				break
			}
			body := b[headBytes : headBytes+h.body]
			if k, err := ParsePacket(body); err == nil && !bytes.Equal(append(AppendPacket(nil, k), k.Bytes...), body) {
				t.Errorf("packet changes: % x", body)
			}
			var g Greeting
			_, _ = Unpack(body, &g)
			_ = Unmarshal(body, &g)
			_ = g.Check()
			b = b[headBytes+h.body:]
		}
	})
}
