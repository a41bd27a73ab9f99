package deliver

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

func TestSlowReaderSkips(t *testing.T) {
	for name, o := range map[string]struct {
		options stream.Options
		maxLag  time.Duration
	}{
		"by time":   {stream.Options{MaxBytes: 64 << 20}, 500 * time.Millisecond},
		"by window": {stream.Options{MaxBytes: 1 << 20}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, Options{Workers: 1, Latency: quick})
			s := &script{log: stream.New(o.options)}
			fd, peer := narrow(t)
			v, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), MaxLag: o.maxLag, OnEnd: Rule{Mode: Close}})
			if err != nil {
				t.Fatal(err)
			}
			put := func(n int) {
				for range n {
					s.put(3000, media.Flags(s.seq%100/99)&media.Key)
				}
			}
			// At once it might be more than the window before the worker looks, which then has little to send.
			until(t, "a full socket", func() bool { put(100); return p.Stats().Waiting == 1 })
			put(2000)
			s.log.End()
			got, gaps := readSealed(t, peer, 1<<62)
			if len(gaps) == 0 {
				t.Error("nothing was left out")
			}
			for _, seq := range gaps {
				if seq%100 != 99 {
					t.Errorf("went on at %d, which is not a key packet", seq)
				}
			}
			until(t, "the end", func() bool { return v.gone.Load() })
			st := p.Stats()
			if got+st.DroppedPackets != s.seq || st.Packets != got || st.Left[SourceEnd] != 1 {
				t.Errorf("got %d, gaps %v, stats %+v", got, gaps, st)
			}
		})
	}
}

func TestSlowReaderIsDropped(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	fd, _ := narrow(t)
	k := newSink()
	_, err := p.Attach(Attach{
		FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), Sink: k,
		OnLag: LagDrop, MaxLag: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 4000 {
		s.put(3000, media.Key)
	}
	if st := k.wantLeft(t, Lag); st.LagTime <= media.FromDuration(time.Second) || st.LagBytes <= 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestBurstIsNoLag(t *testing.T) {
	s := &script{log: stream.New(stream.Options{})}
	for range 5000 { // 5 s in 25 MB: more than the socket takes
		s.put(5000, media.Key)
	}
	p := newPool(t, Options{Workers: 1, Latency: quick})
	fd, peer := narrow(t)
	k := newSink()
	_, err := p.Attach(Attach{
		FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{Mode: stream.StartBurst, Back: 4 * time.Second}), Sink: k,
		OnLag: LagDrop, MaxLag: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, gaps := readSealed(t, peer, 4999); got < 4000 || len(gaps) > 0 {
		t.Errorf("got %d packets, gaps %v", got, gaps)
	}
}

// TestJumpIsNoLag has timestamps jump by more than the bound while the viewer keeps up:
// the packet before the jump is sent too, and the viewer stays.
func TestJumpIsNoLag(t *testing.T) {
	for name, rule := range map[string]LagRule{"skip": LagSkip, "drop": LagDrop} {
		t.Run(name, func(t *testing.T) {
			s := &script{log: stream.New(stream.Options{})}
			p := newPool(t, Options{Workers: 1, Latency: 50 * time.Millisecond})
			fd, peer := link(t)
			v, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), OnLag: rule, MaxLag: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			s.put(100, media.Key)
			wantBytes(t, peer, s.bytes(0, 1, 100))
			s.put(100, 0)
			s.log.Append(media.Packet{DTS: 15_040 * ms, Flags: media.Key}, sealedPacket(nil, 2, 100))
			if st := v.Stats(); st.LagTime > media.Time(2*time.Second) {
				t.Errorf("a lag of %v", st.LagTime)
			}
			wantBytes(t, peer, s.bytes(1, 3, 100))
			if st := p.Stats(); st.Viewers != 1 || st.DroppedPackets > 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

func TestStoppedReaderIsClosed(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick, Stall: time.Millisecond})
	s := &script{log: stream.New(stream.Options{})}
	fd, _ := narrow(t)
	k := newSink()
	if _, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), Sink: k}); err != nil {
		t.Fatal(err)
	}
	s.put(8<<20, 0)
	k.wantLeft(t, Stalled)
}

// TestStoppedReaderHarmsNobody has one viewer stop beside one that reads.
func TestStoppedReaderHarmsNobody(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	stopped, _ := narrow(t)
	reading, peer := link(t)
	for _, fd := range []int{stopped, reading} {
		_, err := p.Attach(Attach{FD: fd, Head: []byte("H"), Log: s.log, Cursor: s.log.Cursor(stream.Start{})})
		if err != nil {
			t.Fatal(err)
		}
	}
	wantBytes(t, peer, []byte("H"))
	for range 100 {
		from := s.seq
		for range 20 {
			s.put(3000, media.Key)
		}
		wantBytes(t, peer, s.bytes(from, s.seq, 3000))
	}
	if st := p.Stats(); st.Viewers != 2 || st.Waiting != 1 {
		t.Errorf("stats %+v", st)
	}
}
