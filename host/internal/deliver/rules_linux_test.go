package deliver

import (
	"errors"
	"net"
	"testing"

	"github.com/weir-media/weir/host/internal/stream"
)

func TestHeaderChangeRules(t *testing.T) {
	t.Run("continue", func(t *testing.T) {
		s, _, _, peer := setup(t, Attach{})
		s.put(10, 0)
		s.log.SetHeader([]byte("h2"))
		s.put(10, 0)
		wantBytes(t, peer, s.bytes(0, 2, 10))
	})
	t.Run("close", func(t *testing.T) {
		s, _, k, peer := setup(t, Attach{OnChange: Rule{Close, []byte("CHANGED")}})
		s.put(10, 0)
		s.log.SetHeader([]byte("h2"))
		s.put(10, 0)
		wantBytes(t, peer, append(s.bytes(0, 1, 10), "CHANGED"...))
		wantEnd(t, peer)
		k.wantLeft(t, HeaderChange)
	})
	t.Run("event", func(t *testing.T) {
		s, v, k, peer := setup(t, Attach{OnChange: Rule{Event, []byte("CHANGED")}})
		s.put(10, 0)
		s.log.SetHeader([]byte("h2"))
		s.put(10, 0)
		wantBytes(t, peer, append(s.bytes(0, 1, 10), "CHANGED"...))
		k.wantHeld(t, HeaderChange)
		s.put(10, 0)
		if err := v.Write(s.log.Header().Bytes); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, peer, []byte("h2"))
		v.Resume()
		wantBytes(t, peer, s.bytes(1, 3, 10))
	})
}

func TestEndRules(t *testing.T) {
	t.Run("event", func(t *testing.T) {
		s, v, k, peer := setup(t, Attach{OnEnd: Rule{Event, []byte("END")}})
		s.put(10, 0)
		s.log.End()
		wantBytes(t, peer, append(s.bytes(0, 1, 10), "END"...))
		k.wantHeld(t, SourceEnd)
		v.Resume() // there is nothing to go on with
		if err := v.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
		v.Finish(Closed)
		wantBytes(t, peer, []byte("more"))
		wantEnd(t, peer)
		k.wantLeft(t, Closed)
	})
	t.Run("wait for the next source", func(t *testing.T) {
		s, v, _, peer := setup(t, Attach{OnEnd: Rule{Mode: Wait}})
		s.put(10, 0)
		s.log.End()
		wantBytes(t, peer, s.bytes(0, 1, 10))
		next := &script{log: stream.New(stream.Options{})}
		next.put(20, 0)
		v.Switch(next.log, next.log.Cursor(stream.Start{Mode: stream.StartSeq}), 0)
		wantBytes(t, peer, next.bytes(0, 1, 20))
		next.put(20, 0)
		wantBytes(t, peer, next.bytes(1, 2, 20))
		until(t, "three packets counted", func() bool { return v.Stats().Packets == 3 })
		next.log.End()
	})
}

func TestHoldAndResume(t *testing.T) {
	s, v, k, peer := setup(t, Attach{Hold: true})
	s.put(10, 0)
	if err := v.Write([]byte("reply")); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, peer, []byte("reply"))
	v.Resume()
	wantBytes(t, peer, s.bytes(0, 1, 10))
	v.Hold()
	k.wantHeld(t, Detached)
	_ = v.Write([]byte("held"))
	wantBytes(t, peer, []byte("held"))
	s.put(10, 0)
	_ = v.Write([]byte("still"))
	wantBytes(t, peer, []byte("still"))
	v.Resume()
	wantBytes(t, peer, s.bytes(1, 2, 10))
}

// stuck gives a viewer, the only one, whose socket is full of the script's first packet.
func stuck(t *testing.T, p *Pool) (v *Viewer, k *sink, s *script, peer *net.TCPConn) {
	t.Helper()
	s = &script{log: stream.New(stream.Options{})}
	fd, peer := narrow(t)
	k = newSink()
	v, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), Sink: k})
	if err != nil {
		t.Fatal(err)
	}
	s.put(8<<20, 0)
	until(t, "a full socket", func() bool { return p.Stats().Waiting == 1 })
	return v, k, s, peer
}

func TestWriteStandsBetweenPackets(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	v, _, s, peer := stuck(t, p)
	s.put(10, 0)
	for range 3 {
		if err := v.Write([]byte("between")); err != nil {
			t.Fatal(err)
		}
	}
	want := s.bytes(0, 1, 8<<20)
	want = append(want, "betweenbetweenbetween"...)
	want = append(want, s.bytes(1, 2, 10)...)
	wantBytes(t, peer, want)
	if st := p.Stats(); st.Waiting != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestWriteOverflow(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	v, k, _, _ := stuck(t, p)
	for range PendingBytes / 1024 {
		if err := v.Write(make([]byte, 1024)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Write([]byte{1}); !errors.Is(err, ErrWriteOverflow) {
		t.Errorf("one byte too many: %v", err)
	}
	k.wantLeft(t, WriteOverflow)
}

// TestWritesWithinLess: a viewer may owe what it was attached with.
func TestWritesWithinLess(t *testing.T) {
	_, v, k, peer := setup(t, Attach{Buffers: Buffers{Pending: 2048}})
	b := make([]byte, 2048)
	if err := v.Write(b); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, peer, b)
	until(t, "nothing owed", func() bool { return v.owes.Load() == 0 })
	if err := v.Write(make([]byte, 2049)); !errors.Is(err, ErrWriteOverflow) {
		t.Errorf("one byte too many: %v", err)
	}
	k.wantLeft(t, WriteOverflow)
}

func TestWrittenBytesAreForgotten(t *testing.T) {
	_, v, _, peer := setup(t, Attach{})
	b := make([]byte, PendingBytes)
	for range 20 {
		if err := v.Write(b); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, peer, b)
		until(t, "nothing owed", func() bool { return v.owes.Load() == 0 })
	}
}
