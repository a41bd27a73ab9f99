package conform

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/sdktest"
)

// native is a Generation of plugins in this process.
type native struct{ fresh func() *sdk.Plugin }

func (*native) Manifest() *manifest.Manifest { return &manifest.Manifest{} }
func (*native) Number() uint64               { return 1 }
func (*native) Hash() string                 { return "" }
func (*native) Carrier() string              { return "native" }
func (*native) Limits() plugin.Limits        { return plugin.DefaultLimits() }
func (*native) Close()                       {}

func (n *native) New() (plugin.Instance, *plugin.Fault) {
	if n.fresh == nil {
		return nil, &plugin.Fault{Plugin: "none", Kind: plugin.Start, Cause: errors.New("not today")}
	}
	return &instance{n.fresh(), make([]byte, abi.UsualBox)}, nil
}

type instance struct {
	plugin *sdk.Plugin
	out    []byte
}

func (i *instance) Call(_ time.Duration, frame []byte) ([]byte, *plugin.Fault) {
	n := i.plugin.Call(frame, i.out)
	if n < 0 {
		return nil, &plugin.Fault{Kind: plugin.Protocol, Cause: &plugin.CodeError{Code: abi.Code(n)}}
	}
	if n == 8 { // as a guest may
		n = 0
	}
	return i.out[:n], nil
}

func (*instance) Inbox() int { return abi.UsualBox }
func (*instance) Close()     {}

// timers answers TIMER with SET_TIMER, whose id the function chooses.
func timers(id func(e *abi.Timer) uint32) func() *sdk.Plugin {
	return func() *sdk.Plugin {
		return sdk.New(nil, func(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
			if e, ok := e.(*abi.Timer); ok && e.ID > 0 {
				v.SetTimer(id(e), 1)
			}
			return nil
		})
	}
}

const script = "> TIMER id=0\n!!\n> TIMER id=1\n! SET_TIMER\n> TIMER id=2\n! SET_TIMER\n"

// TestAmnesiaFindsWhatIsRemembered: a test that cannot fail proves nothing.
func TestAmnesiaFindsWhatIsRemembered(t *testing.T) {
	alive := 0
	for _, c := range []struct {
		name  string
		fresh func() *sdk.Plugin
		says  string
	}{
		{"pure", timers(func(e *abi.Timer) uint32 { return e.ID }), ""},
		{"counts its calls", func() *sdk.Plugin {
			calls := uint32(0)
			return timers(func(*abi.Timer) uint32 { calls++; return calls })()
		}, "line 3: TIMER: the same instance, asked again, answers otherwise than the aged one did: verdict 1, SET_TIMER: id is 2; it was 1"},
		{"keeps the largest", func() *sdk.Plugin {
			largest := uint32(7)
			return timers(func(e *abi.Timer) uint32 { defer func() { largest = 9 }(); return max(largest, e.ID-e.ID/2) })()
		}, "answers otherwise"},
		{"differs by instance", func() *sdk.Plugin {
			alive++
			mine := uint32(alive)
			return timers(func(*abi.Timer) uint32 { return mine })()
		}, "a fresh instance answers otherwise than the aged one did: verdict 1, SET_TIMER: id is"},
		{"does not start", nil, "not today"},
	} {
		a, err := NewAmnesia(&native{c.fresh}, 2)
		if err == nil {
			err = sdktest.Check([]byte(script), a)
			a.Close()
		}
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v; want %q", c.name, err, c.says)
		}
	}
}

func TestDifference(t *testing.T) {
	frame := func(records ...abi.Record) []byte {
		var w abi.Writer
		w.Reset(make([]byte, 1<<10))
		for _, r := range records {
			if err := w.Put(1, 0, r); err != nil {
				t.Fatal(err)
			}
		}
		return w.Bytes()
	}
	for _, c := range []struct {
		was, is []byte
		want    string
	}{
		{frame(&abi.Close{Conn: 1}), frame(&abi.Close{Conn: 2}), "verdict 1, CLOSE: conn is 2; it was 1"},
		{frame(), frame(&abi.Close{Conn: 2}), "verdict 1 is there once only: CLOSE"},
		{frame(&abi.Close{Conn: 2}), frame(), "verdict 1 is there once only: CLOSE"},
		{frame(), []byte{1}, "malformed"},
		{frame(&abi.Close{}), append(frame(&abi.Close{}), 0), "bytes differ"},
	} {
		if err := Difference(c.was, c.is); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v; want %q", err, c.want)
		}
	}
}
