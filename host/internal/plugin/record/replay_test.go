package record

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk"
)

func replay(t testing.TB, file []byte, g plugin.Generation) Result {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	found, err := Replay(t.Context(), r, g)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// conversation is a recording of a parrot that dies.
func conversation(t testing.TB) []byte {
	var tap Tap
	g := Wrap(&native{fresh: parrot(false)}, &tap)
	old := start(t, g)
	defer old.Close()
	return recording(t, &tap, Options{}, func() {
		tell(t, old, frame(t, data("one"), data("two")))
		young := start(t, g)
		if _, fault := young.Call(time.Second, frame(t, data("die"))); fault == nil {
			t.Error("no fault")
		}
		young.Close()
		tell(t, old, frame(t, data("four")))
	})
}

func TestReplayOfTheSame(t *testing.T) {
	g := &native{fresh: parrot(false), number: 9}
	found := replay(t, conversation(t), g)
	if found.Same != 5 || found.Different+found.Mended+found.Unjudged != 0 || found.Instances != 2 || found.Calls != 5 || found.Events != 6 || found.Faults != 1 {
		t.Errorf("%+v", found)
	}
	if found.Reason != ByStop || found.Torn || found.Was.Generation != 1 || found.Is.Generation != 9 || g.alive.Load() != 0 {
		t.Errorf("%+v, %d instances alive", found, g.alive.Load())
	}
}

func TestReplayOfAnother(t *testing.T) {
	found := replay(t, conversation(t), &native{fresh: parrot(true)})
	if found.Same != 3 || found.Different != 2 || len(found.Told) != 2 {
		t.Fatalf("%+v", found)
	}
	d := found.Told[0]
	text := d.String()
	if d.Call != 2 || d.Session != 7 || !strings.Contains(text, "session 7, DATA: verdict 2: WRITE: pieces has \"!\" besides") {
		t.Errorf("%s", text)
	}
	if len(d.Was) != 2 || len(d.Is) != 2 || !strings.Contains(d.Is[1], `pieces="!"`) || !strings.Contains(d.Event, "bytes=one") {
		t.Errorf("%+v", d)
	}
}

// quiet is a parrot that answers "die" as anything else, and dies at "four".
func quiet() *sdk.Plugin {
	return sdk.New(nil, func(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
		d, ok := e.(*abi.Data)
		if !ok {
			return nil
		}
		if string(d.Bytes) == "four" {
			panic("four")
		}
		v.Consume(1, d.Offset+uint64(len(d.Bytes)))
		p := v.Pieces()
		p.Text(string(d.Bytes))
		v.Write(1, p)
		return nil
	})
}

func TestReplayOfAMendedPlugin(t *testing.T) {
	found := replay(t, conversation(t), &native{fresh: quiet})
	if found.Same != 3 || found.Mended != 1 || found.Different != 1 || len(found.Told) != 2 {
		t.Fatalf("%+v", found)
	}
	if d := found.Told[0]; !strings.Contains(d.String(), "session 7, DATA: answered; it was fault trap during DATA: unreachable") || len(d.Is) != 2 {
		t.Errorf("%s", d)
	}
	if d := found.Told[1]; !strings.Contains(d.String(), "trap during DATA: unreachable; it was answered") || len(d.Was) != 2 {
		t.Errorf("%s", d)
	}
}

// TestReplayGoesOnBehindALoss: an instance that is lost in the replay only is followed by a fresh one.
func TestReplayGoesOnBehindALoss(t *testing.T) {
	var tap Tap
	file := recording(t, &tap, Options{}, func() {
		i := start(t, Wrap(&native{fresh: parrot(false)}, &tap))
		defer i.Close()
		for _, word := range []string{"one", "four", "five"} {
			tell(t, i, frame(t, data(word)))
		}
	})
	g := &native{fresh: quiet}
	if found := replay(t, file, g); found.Different != 1 || found.Same != 3 || g.alive.Load() != 0 {
		t.Errorf("%+v", found)
	}
	found := replay(t, file, &native{broken: true})
	if found.Different != 4 || !strings.Contains(found.Told[0].Text, "not today") {
		t.Errorf("%+v", found)
	}
}

func TestReplayOfOneFault(t *testing.T) {
	config := []byte(`{"loud": true}`)
	scene := Scene{Build: Build{Version: "1.2.3", Hash: "abc", Carrier: "wasm"}, Host: "test", At: time.Unix(5, 0), Config: config}
	fault := &plugin.Fault{Plugin: "parrot", Generation: 4, Kind: plugin.Trap, During: "DATA", Cause: errors.New("unreachable"), Frame: frame(t, data("die"))}
	file, err := OfFault(fault, scene)
	if err != nil {
		t.Fatal(err)
	}
	list, r := entries(t, file)
	var open abi.Open
	for raw := range records(list[1].In) {
		var frame abi.Reader
		if err := frame.Decode(raw, &open); err != nil {
			t.Fatal(err)
		}
	}
	if string(open.Config) != string(config) || list[0].Build.Generation != 4 || r.Header().Begin.Unix() != 5 || r.Torn() {
		t.Errorf("%+v, %+v", open, list)
	}
	if found := replay(t, file, &native{fresh: parrot(false)}); found.Same != 2 || found.Faults != 1 {
		t.Errorf("the plugin as it was: %+v", found)
	}
	if found := replay(t, file, &native{fresh: quiet}); found.Same != 1 || found.Mended != 1 {
		t.Errorf("the plugin mended: %+v", found)
	}
	if found := replay(t, file, &native{broken: true}); found.Different != 2 {
		t.Errorf("a plugin that does not start: %+v", found)
	}
}

// TestFaultsThatTheHostFinds: their call was answered, so the replay has to judge.
func TestFaultsThatTheHostFinds(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   plugin.Kind
		out    []byte
		same   int
		mended int
		other  int
		asks   int // unjudged
	}{
		{"foreign again", plugin.ForeignSession, verdicts(t, 99), 2, 0, 0, 0},
		{"foreign no more", plugin.ForeignSession, verdicts(t, 7), 1, 1, 0, 0},
		{"bad batch again", plugin.BadBatch, []byte{1, 0, 0, 0, 0, 0, 0, 0}, 2, 0, 0, 0},
		{"now a bad batch", plugin.Trap, []byte{1, 0, 0, 0, 0, 0, 0, 0}, 1, 0, 1, 0},
		{"no span", plugin.BadSpan, verdicts(t, 7), 1, 1, 0, 0},
		{"the span again", plugin.BadSpan, spanning(t, abi.Piece{Kind: abi.PieceInput, Offset: 100, Length: 2}), 2, 0, 0, 0},
		{"a span behind all numbers", plugin.BadSpan, spanning(t, abi.Piece{Kind: abi.PieceInput, Offset: 1<<64 - 1, Length: 2}), 2, 0, 0, 0},
		{"a good span", plugin.BadSpan, spanning(t, abi.Piece{Kind: abi.PieceInput, Offset: 100, Length: 1}), 1, 1, 0, 0},
		{"a span of earlier input", plugin.BadSpan, spanning(t, abi.Piece{Kind: abi.PieceInput, Offset: 99, Length: 1}), 1, 0, 0, 1},
		{"some header", plugin.BadSpan, spanning(t, abi.Piece{Kind: abi.PieceHeader, Bytes: []byte("a\x00b")}), 1, 0, 0, 1},
		{"no such packet", plugin.Trap, spanning(t, abi.Piece{Kind: abi.PiecePacket, Packet: 3}), 1, 0, 1, 0},
		{"a right", plugin.Permission, verdicts(t, 7), 1, 0, 0, 1},
		{"a right, but foreign", plugin.Permission, verdicts(t, 99), 1, 0, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := data("x")
			told.Offset = 100
			file, err := OfFault(&plugin.Fault{Plugin: "x", Kind: c.kind, During: "DATA", Frame: frame(t, told)}, Scene{At: time.Unix(1, 0)})
			if err != nil {
				t.Fatal(err)
			}
			found := replay(t, file, &says{out: c.out})
			if found.Same != c.same || found.Mended != c.mended || found.Different != c.other || found.Unjudged != c.asks {
				t.Errorf("%+v", found)
			}
		})
	}
}

func verdicts(t testing.TB, session uint64) []byte {
	var w abi.Writer
	w.Reset(make([]byte, 1<<10))
	if err := w.Put(session, 0, &abi.Close{Conn: 1}); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func spanning(t testing.TB, p abi.Piece) []byte {
	var w abi.Writer
	w.Reset(make([]byte, 1<<10))
	v := &abi.Write{Conn: 1}
	v.Pieces.Add(p)
	if err := w.Put(7, 0, v); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// says is a generation that answers every frame but OPEN with the same bytes.
type says struct {
	native
	out []byte
}

func (s *says) New() (plugin.Instance, *plugin.Fault) { return &saying{out: s.out}, nil }

type saying struct {
	nothing
	out []byte
}

func (s *saying) Call(_ time.Duration, frame []byte) ([]byte, *plugin.Fault) {
	if opens(frame) {
		return nil, nil
	}
	return s.out, nil
}

func TestRecordingsThatMakeNoSense(t *testing.T) {
	head := func(p *pen) { p.header(Header{Major: 1, Plugin: "x", Begin: time.Unix(1, 0)}) }
	for _, c := range []struct {
		name  string
		write func(*pen)
		says  string
	}{
		{"a call of nobody", func(p *pen) { head(p); p.entry(&Entry{Kind: Call, Instance: 1}) }, "instance 1, which did not start"},
		{"a second start", func(p *pen) {
			head(p)
			p.entry(&Entry{Kind: Started, Instance: 1})
			p.entry(&Entry{Kind: Started, Instance: 1})
		}, "starts twice"},
		{"a crowd", func(p *pen) {
			head(p)
			for i := range uint32(maxAlive + 1) {
				p.entry(&Entry{Kind: Started, Instance: i + 1})
			}
		}, "live at once"},
		{"another ABI", func(p *pen) { p.header(Header{Major: 7, Begin: time.Unix(1, 0)}) }, "is of ABI 7"},
	} {
		var p pen
		c.write(&p)
		r, err := NewReader(bytes.NewReader(p.b))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Replay(t.Context(), r, &idle{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestReplayLimit: a file gives no call longer than plugins.yaml could.
func TestReplayLimit(t *testing.T) {
	p := player{of: &native{fresh: parrot(false)}}
	for recorded, want := range map[time.Duration]time.Duration{time.Second: time.Second, 1 << 62: longest} {
		if got := p.limit(&Entry{Limit: recorded, In: frame(t, data("x"))}); got != want {
			t.Errorf("%v for %v", got, recorded)
		}
	}
}
