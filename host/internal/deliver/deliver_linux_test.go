package deliver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

const quick = 2 * time.Millisecond

// setup gives a log with a header, and one viewer attached live with head "HEAD".

func setup(t *testing.T, a Attach) (*script, *Viewer, *sink, *net.TCPConn) {
	t.Helper()
	p := newPool(t, Options{Workers: 2, Latency: quick})
	s := &script{log: a.Log}
	if s.log == nil {
		s.log = stream.New(stream.Options{})
		s.log.SetHeader([]byte("h1"))
		a.Log = s.log
		a.Cursor = s.log.Cursor(stream.Start{})
	}
	k := newSink()
	a.Sink = k
	a.Head = []byte("HEAD")
	fd, peer := link(t)
	a.FD = fd
	v, err := p.Attach(a)
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, peer, []byte("HEAD"))
	return s, v, k, peer
}

func TestBytesAreExact(t *testing.T) {
	s, v, k, peer := setup(t, Attach{OnEnd: Rule{Mode: Close, Bytes: []byte("BYE")}})
	const packets = 3000
	go func() {
		for range packets {
			s.put(500, media.Key)
		}
		s.log.End()
	}()
	want := s.bytes(0, packets, 500)
	wantBytes(t, peer, append(want, "BYE"...))
	wantEnd(t, peer)
	st := k.wantLeft(t, SourceEnd)
	if st.Packets != packets || st.Bytes != uint64(len(want)+7) || st.DroppedPackets != 0 || st.LagBytes != 0 {
		t.Errorf("stats %+v", st)
	}
	if st.Sends == 0 || st.Sends > packets || st.Since.IsZero() {
		t.Errorf("stats %+v", st)
	}
	if err := v.Write([]byte("late")); !errors.Is(err, ErrDetached) {
		t.Errorf("write after the end: %v", err)
	}
	v.Close(Closed)
}

func TestBacklogIsSentAtOnce(t *testing.T) {
	s := &script{log: stream.New(stream.Options{})}
	for range 100 {
		s.put(1000, media.Key)
	}
	p := newPool(t, Options{Latency: time.Hour})
	fd, peer := link(t)
	_, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{Mode: stream.StartSeq})})
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, peer, s.bytes(0, 100, 1000))
}

func TestFullBatchDoesNotWait(t *testing.T) {
	p := newPool(t, Options{Latency: time.Hour, BatchBytes: 10_000})
	s := &script{log: stream.New(stream.Options{})}
	fd, peer := link(t)
	if _, err := p.Attach(Attach{FD: fd, Head: []byte("H"), Log: s.log, Cursor: s.log.Cursor(stream.Start{})}); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, peer, []byte("H"))
	for range 12 {
		s.put(1000, 0)
	}
	wantBytes(t, peer, s.bytes(0, 10, 1000))
}

// TestWriteStandsBetweenPackets writes while a packet that is larger than all

// buffers is on its way.

func TestPeerCloses(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"closes": func(c *net.TCPConn) { c.Close() },
		"shuts":  func(c *net.TCPConn) { _ = c.CloseWrite() },
		"resets": func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			_, _, k, peer := setup(t, Attach{})
			_, _ = peer.Write([]byte("last words"))
			<-k.got
			leave(peer)
			k.wantLeft(t, PeerClosed)
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.input.String() != "last words" {
				t.Errorf("input %q", k.input.String())
			}
		})
	}
}

func TestInputReachesTheSink(t *testing.T) {
	_, _, k, peer := setup(t, Attach{Leftover: []byte("left,")})
	want := "left," + strings.Repeat("a command;", 100_000)
	go io.WriteString(peer, want[5:])
	until(t, "all input", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.input.Len() >= len(want)
	})
	if k.input.String() != want {
		t.Error("input is wrong")
	}
}

func TestDetachGivesTheSocketBack(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	fd, peer := link(t)
	for range 2 {
		k := newSink()
		v, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), Sink: k})
		if err != nil {
			t.Fatal(err)
		}
		from := s.seq
		s.put(10, 0)
		wantBytes(t, peer, s.bytes(from, from+1, 10))
		_ = v.Write([]byte("last"))
		v.Detach()
		k.wantLeft(t, Detached)
		wantBytes(t, peer, []byte("last"))
		s.put(10, 0)
		if _, err := unix.Write(fd, []byte("mine")); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, peer, []byte("mine"))
	}
	unix.Close(fd)
	wantEnd(t, peer)
}

func TestPoolCloses(t *testing.T) {
	p := newPool(t, Options{Workers: 2})
	l := stream.New(stream.Options{})
	k := newSink()
	fd, peer := link(t)
	if _, err := p.Attach(Attach{FD: fd, Log: l, Cursor: l.Cursor(stream.Start{}), Sink: k}); err != nil {
		t.Fatal(err)
	}
	p.Close()
	k.wantLeft(t, Shutdown)
	wantEnd(t, peer)
	p.Close()
	fd, _ = link(t)
	defer unix.Close(fd)
	for range 4 {
		if _, err := p.Attach(Attach{FD: fd, Log: l, Cursor: l.Cursor(stream.Start{})}); !errors.Is(err, ErrClosed) {
			t.Errorf("attach after close: %v", err)
		}
	}
	if st := p.Stats(); st.Viewers != 0 || st.Attached != 1 || st.Left[Shutdown] != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestAttachRefuses(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	if _, err := p.Attach(Attach{FD: 0}); err == nil {
		t.Error("no log and no error")
	}
	l := stream.New(stream.Options{})
	if _, err := p.Attach(Attach{FD: -1, Log: l, Cursor: l.Cursor(stream.Start{})}); err == nil {
		t.Error("no socket and no error")
	}
}

func TestUnixSocket(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	if _, err := p.Attach(Attach{FD: pair[0], Log: s.log, Cursor: s.log.Cursor(stream.Start{})}); err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		s.put(1000, 0)
	}
	wantBytes(t, fdReader(pair[1]), s.bytes(0, 2000, 1000))
}

// TestThousandViewers has many viewers come, read at different speeds and go,

// with no goroutine of the pool's for any of them.

func TestThousandViewers(t *testing.T) {
	const viewers, packets = 1000, 400
	p := newPool(t, Options{Workers: 2, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	s.log.SetHeader([]byte("h"))
	before := runtime.NumGoroutine()
	peers := make([]int, viewers)
	all := make([]*Viewer, viewers)
	for i := range peers {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		peers[i] = pair[1]
		all[i], err = p.Attach(Attach{
			FD: pair[0], Head: []byte("H"), Log: s.log, Cursor: s.log.Cursor(stream.Start{}), OnEnd: Rule{Mode: Close},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all attached", func() bool { return p.Stats().Viewers == viewers })
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines with viewers, %d without", n, before)
	}
	for range packets {
		s.put(1000, media.Key)
	}
	s.log.End()
	want := append([]byte("H"), s.bytes(0, packets, 1000)...)
	var running sync.WaitGroup
	for r := range 8 {
		running.Go(func() {
			got := make([]byte, len(want)+1)
			for i := r; i < viewers; i += 8 {
				n, err := io.ReadFull(fdReader(peers[i]), got)
				if err != io.ErrUnexpectedEOF || !bytes.Equal(got[:n], want) {
					t.Errorf("viewer %d: %d bytes of %d, %v", i, n, len(want), err)
				}
				unix.Close(peers[i])
			}
		})
	}
	running.Wait()
	until(t, "all gone", func() bool { return p.Stats().Viewers == 0 })
	st := p.Stats()
	if st.Packets != viewers*packets || st.Bytes != uint64(viewers*len(want)) || st.Left[SourceEnd] != viewers || st.Waiting != 0 {
		t.Errorf("stats %+v", st)
	}
}

// fdReader reads a blocking descriptor.

type fdReader int

func (r fdReader) Read(b []byte) (int, error) {
	n, err := unix.Read(int(r), b)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(0, n), err
}

// TestOrdersFromEverywhere gives a viewer contradicting orders from many

// goroutines while the log grows.

func TestOrdersFromEverywhere(t *testing.T) {
	p := newPool(t, Options{Workers: 2, Latency: quick})
	s := &script{log: stream.New(stream.Options{ChunkBytes: 4 << 10, MaxBytes: 64 << 10})}
	var running sync.WaitGroup
	done := make(chan struct{})
	running.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.put(100, media.Key)
				runtime.Gosched()
			}
		}
	})
	for range 20 {
		fd, peer := link(t)
		k := newSink()
		v, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{Mode: stream.StartKey}), Sink: k})
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, peer)
		var orders sync.WaitGroup
		for _, f := range []func(){
			v.Hold, v.Resume, v.Hold, v.Resume,
			func() { _ = v.Write([]byte("x")) },
			func() { v.Stats(); p.Stats() },
			func() { v.Switch(s.log, s.log.Cursor(stream.Start{Mode: stream.StartBurst, Back: time.Second}), 0) },
		} {
			orders.Go(func() {
				for range 20 {
					f()
				}
			})
		}
		orders.Wait()
		v.Resume()
		v.Finish(Closed)
		k.wantLeft(t, Closed)
	}
	close(done)
	running.Wait()
}

func TestReasonNames(t *testing.T) {
	seen := map[string]bool{None.String(): true}
	for _, r := range Reasons() {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[r.String()] = true
	}
	if got := reasons.String(); got != "unknown" {
		t.Errorf("no reason is called %q", got)
	}
}
