package plugin

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
)

func TestFaultPrints(t *testing.T) {
	f := &Fault{Plugin: "wmsp", Generation: 3, Kind: Trap, During: "DATA", Cause: errors.New("unreachable\nmore"), Stack: "inner\nouter\n", Log: "INFO a\nINFO b\n"}
	for _, test := range []struct{ format, want string }{
		{"%v", `plugin "wmsp" generation 3: trap during DATA: unreachable`},
		{"%s", `plugin "wmsp" generation 3: trap during DATA: unreachable`},
		{"%q", `"plugin \"wmsp\" generation 3: trap during DATA: unreachable"`},
		{"%+v", "plugin \"wmsp\" generation 3: trap during DATA: unreachable\nguest stack:\n\tinner\n\touter\nguest log:\n\tINFO a\n\tINFO b"},
	} {
		if got := fmt.Sprintf(test.format, f); got != test.want {
			t.Errorf("%s: %q; want %q", test.format, got, test.want)
		}
	}
	if got := fmt.Sprintf("%+v", &Fault{Plugin: "x", Kind: Start}); got != `plugin "x": start` {
		t.Errorf("%q", got)
	}
}

func TestLastWords(t *testing.T) {
	for log, want := range map[string]string{
		"":                               "",
		"INFO all is well\nINFO still\n": "",
		"INFO a\nINFO panic: a sin\nINFO goroutine 1 [running]:\n":               "panic: a sin",
		"thread 'main' panicked at src/lib.rs:3:5:\nexplicit panic\n":            "panicked at src/lib.rs:3:5:",
		"fatal error: all goroutines are asleep - deadlock!":                     "fatal error: all goroutines are asleep - deadlock!",
		"panic: " + strings.Repeat("x", maxLastWords-len("panic: ")-1) + "äöü\n": "panic: " + strings.Repeat("x", maxLastWords-len("panic: ")-1),
	} {
		if got := (&Fault{Log: log}).LastWords(); got != want {
			t.Errorf("%.50q: %q, want %q", log, got, want)
		}
	}
}

func TestFaultUnwraps(t *testing.T) {
	lost := &Fault{Kind: Exit, Cause: io.EOF}
	if !errors.Is(lost, io.EOF) || !lost.Fatal() {
		t.Error("a fault hides its cause")
	}
	answered := &Fault{Kind: Protocol, Cause: &CodeError{Code: abi.EPROTO, Text: "no such method"}}
	var code abi.Code
	if answered.Fatal() || !errors.As(answered, &code) || code != abi.EPROTO || answered.Error() != `plugin "": protocol: EPROTO: no such method` {
		t.Errorf("%v, code %v", answered, code)
	}
}

func TestKinds(t *testing.T) {
	names := map[string]bool{}
	for _, k := range Kinds() {
		names[k.String()] = true
	}
	if len(names) != 10 || names["none"] || names["unknown"] || Kind(99).String() != "unknown" {
		t.Errorf("%v", names)
	}
}

func TestLimits(t *testing.T) {
	got := Limits{Event: time.Second, LogLines: -1, Session: Session{Timers: 3}}.Or(DefaultLimits())
	want := DefaultLimits()
	want.Event, want.Timers = time.Second, 3
	if got != want {
		t.Errorf("%+v", got)
	}
	if a, b := got.PacketsFrame(1), got.PacketsFrame(2); a != DefaultPackets || b != DefaultPackets+furtherEvent {
		t.Errorf("%v %v", a, b)
	}
	if a, b, c := got.Frame(0), got.Frame(1), got.Frame(11); a != time.Second || b != time.Second || c != time.Second+time.Millisecond {
		t.Errorf("%v %v %v", a, b, c)
	}
}

func TestInForce(t *testing.T) {
	asked := manifest.Limits{Memory: 128 << 20, Event: 3 * time.Millisecond, Packets: time.Millisecond}
	got, want := InForce(Limits{Packets: 30 * time.Millisecond, Session: Session{State: 1024}}, asked), DefaultLimits()
	want.Event, want.SlowEvent, want.Packets, want.State = 3*time.Millisecond, 3*time.Millisecond, 30*time.Millisecond, 1024
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got = InForce(Limits{}, manifest.Limits{}); got != DefaultLimits() {
		t.Errorf("of nobody: %+v", got)
	}
	if got = InForce(Limits{Memory: 1 << 30}, asked); got.Memory != 1<<30 {
		t.Errorf("granted: %+v", got)
	}
}

func TestNumbersGrow(t *testing.T) {
	if a, b := NextNumber(), NextNumber(); a == 0 || b <= a {
		t.Errorf("%d, %d", a, b)
	}
}

// TestDuring: a frame is named by its first event that means something, not by what is there to be skipped.
func TestDuring(t *testing.T) {
	for _, c := range []struct {
		ops  []abi.Op
		want string
	}{
		{nil, "empty frame"}, {[]abi.Op{abi.OpState}, "empty frame"}, {[]abi.Op{126}, "OP_126"},
		{[]abi.Op{126, abi.OpState, abi.OpData}, "DATA"}, {[]abi.Op{abi.OpData, 126}, "DATA"},
		{[]abi.Op{abi.OpState, abi.OpData, abi.OpTimer}, "DATA and 1 more event"}, {[]abi.Op{126, abi.OpData, abi.OpTimer, abi.OpState, abi.OpTimer}, "DATA and 2 more events"},
	} {
		var w abi.Writer
		w.Reset(make([]byte, 1<<10))
		for _, op := range c.ops {
			if err := w.PutRaw(abi.Raw{Op: op, Session: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if got := During(w.Bytes()); got != c.want {
			t.Errorf("%v: %s, want %s", c.ops, got, c.want)
		}
	}
	if got := During([]byte{1}); got != "malformed frame" {
		t.Error(got)
	}
}
