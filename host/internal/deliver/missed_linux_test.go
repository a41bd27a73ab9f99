package deliver

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// sealedBytes is what sealedPacket makes of so many bytes.
func sealedBytes(n int) uint64 { return uint64(n) + 16 }

// TestEachByteIsAccountedFor: of a log's bytes a reader that stops for a while has got some, and the others are counted with their reason.
func TestEachByteIsAccountedFor(t *testing.T) {
	for name, o := range map[string]struct {
		options stream.Options
		maxLag  time.Duration
		why     Missing
	}{
		"lag":     {stream.Options{MaxBytes: 64 << 20}, 500 * time.Millisecond, TooLate},
		"overrun": {stream.Options{MaxBytes: 1 << 20}, 0, Overran},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, Options{Workers: 1, Latency: quick})
			s := &script{log: stream.New(o.options)}
			account := p.Account(s.log)
			fd, peer := narrow(t)
			_, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), MaxLag: o.maxLag, OnEnd: Rule{Mode: Close}, By: "test"})
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
			got, _ := readSealed(t, peer, 1<<62)
			until(t, "the end", func() bool { return p.Stats().Viewers == 0 })
			st := account.Totals()
			if all := p.Stats(); all.Missed != st.Missed || all.Unsent != st.Unsent || all.Bytes != st.Bytes {
				t.Errorf("the pool counts %+v, the log's account %+v", all, st)
			}
			size := sealedBytes(3000)
			missed := st.Missed[o.why]
			if st.Bytes != got*size || missed.Packets != s.seq-got || missed.Bytes != missed.Packets*size || missed.Packets == 0 {
				t.Errorf("read %d packets, %d bytes: %+v", got, got*size, st)
			}
			if st.DroppedPackets != missed.Packets || st.Left[SourceEnd] != 1 || st.Unsent != [reasons]uint64{} {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestUnsent: what the log had for a viewer that is closed is counted with the reason.
func TestUnsent(t *testing.T) {
	for why, o := range map[Reason]struct {
		attach Attach
		stall  time.Duration
	}{
		Lag:     {Attach{OnLag: LagDrop, MaxLag: time.Second}, 0},
		Stalled: {Attach{}, time.Millisecond},
	} {
		t.Run(why.String(), func(t *testing.T) {
			p := newPool(t, Options{Workers: 1, Latency: quick, Stall: o.stall})
			s := &script{log: stream.New(stream.Options{})}
			account := p.Account(s.log)
			a, k := o.attach, newSink()
			a.FD, _ = narrow(t)
			a.Log, a.Cursor, a.Sink = s.log, s.log.Cursor(stream.Start{}), k
			if _, err := p.Attach(a); err != nil {
				t.Fatal(err)
			}
			for range 4000 {
				s.put(3000, media.Key)
			}
			k.wantLeft(t, why)
			st := account.Totals()
			// Packets may have been put after it left.
			if most := 4000*sealedBytes(3000) - st.Bytes; st.Unsent[why] == 0 || st.Unsent[why] > most || st.Left[why] != 1 {
				t.Errorf("%d bytes unsent, at most %d: %+v", st.Unsent[why], most, st)
			}
		})
	}
}

// TestAccountParts: what viewers of several callers get is told apart, and stays when they have left.
func TestAccountParts(t *testing.T) {
	p := newPool(t, Options{Workers: 2, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	account := p.Account(s.log)
	want := map[string]uint64{"http": 3, "wmsp": 1}
	for by, n := range want {
		for range n {
			fd, peer := link(t)
			if _, err := p.Attach(Attach{FD: fd, Log: s.log, Cursor: s.log.Cursor(stream.Start{}), OnEnd: Rule{Mode: Close}, By: by}); err != nil {
				t.Fatal(err)
			}
			defer func() { wantBytes(t, peer, s.bytes(0, 2, 100)) }()
		}
	}
	until(t, "all viewers", func() bool { return p.Account(s.log).Totals().Viewers == 4 })
	s.put(100, media.Key)
	s.put(100, 0)
	s.log.End()
	until(t, "the end", func() bool { return p.Stats().Viewers == 0 })
	var sum uint64
	account.Each(func(by string, st *LogTotals) {
		if sum += st.Bytes; st.Bytes != want[by]*2*sealedBytes(100) || st.Packets != want[by]*2 || st.Attached != want[by] {
			t.Errorf("%s: %+v", by, st)
		}
	})
	if sum != 4*2*sealedBytes(100) || account.Totals().Bytes != sum {
		t.Errorf("%d bytes, %+v", sum, account.Totals())
	}
}
