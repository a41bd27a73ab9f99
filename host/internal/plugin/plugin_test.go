package plugin

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
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
	got := Limits{Event: time.Second, LogLines: -1}.Or(DefaultLimits())
	if want := (Limits{Memory: DefaultMemory, Event: time.Second, Open: DefaultOpen, LogLines: DefaultLogLines}); got != want {
		t.Errorf("%+v", got)
	}
	if a, b, c := got.Frame(0), got.Frame(1), got.Frame(11); a != time.Second || b != time.Second || c != time.Second+time.Millisecond {
		t.Errorf("%v %v %v", a, b, c)
	}
}

func TestNumbersGrow(t *testing.T) {
	if a, b := NextNumber(), NextNumber(); a == 0 || b <= a {
		t.Errorf("%d, %d", a, b)
	}
}
