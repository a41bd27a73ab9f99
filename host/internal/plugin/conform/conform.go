// Package conform runs conversation scripts against a plugin as the host carries it, and proves that its answers depend on nothing but the frame.
//
// It owns two ways to take a script's frames to instances of a Generation: one instance for all of them, and the amnesia test, which gives each event
// to instances of all ages and wants the same bytes of them all (abi/v1/spec.md 8.7). Frames of package sdktest come in; verdicts go back, or an error
// that says who answered otherwise. It never judges a verdict: the script does.
package conform

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk/sdktest"
)

// Limit is what one call may take: scripts prove answers, not speed, and run on busy machines. Chosen.
const Limit = 10 * time.Second

// noVerdicts is a frame without records.
var noVerdicts = make([]byte, 8)

// Aged takes frames to one instance, whatever it has seen before. It is an sdktest.Carrier, used by one goroutine at a time; Close ends it.
type Aged struct{ instance plugin.Instance }

// NewAged starts an instance of g.
func NewAged(g plugin.Generation) (*Aged, error) {
	i, fault := g.New()
	if fault != nil {
		return nil, whole(fault)
	}
	return &Aged{i}, nil
}

// Call implements sdktest.Carrier.
func (a *Aged) Call(frame []byte) ([]byte, error) {
	verdicts, fault := a.instance.Call(Limit, frame)
	if fault != nil {
		return nil, whole(fault)
	}
	if len(verdicts) == 0 { // weir_call gave 0: no verdicts (spec.md 2.1)
		return noVerdicts, nil
	}
	return verdicts, nil
}

// Close ends the instance.
func (a *Aged) Close() { a.instance.Close() }

// whole is a fault with the guest's stack.
func whole(f *plugin.Fault) error {
	return fmt.Errorf("%+v", f) //nolint:errorlint // %w would leave the stack out
}

// Amnesia is the amnesia test as an sdktest.Carrier: it answers as an aged instance does, and fails when that instance asked again, or a fresh one
// that has seen nothing but OPEN, answers otherwise. It is used by one goroutine at a time, for any number of scripts: the older, the better.
type Amnesia struct {
	of     plugin.Generation
	aged   *Aged
	open   []byte
	rounds int
}

// NewAmnesia starts the aged instance; rounds is how many fresh ones see each event.
func NewAmnesia(g plugin.Generation, rounds int) (*Amnesia, error) {
	aged, err := NewAged(g)
	if err != nil {
		return nil, err
	}
	return &Amnesia{of: g, aged: aged, rounds: rounds}, nil
}

// Close ends the aged instance.
func (a *Amnesia) Close() { a.aged.Close() }

// Call implements sdktest.Carrier.
func (a *Amnesia) Call(frame []byte) ([]byte, error) {
	view, err := a.aged.Call(frame)
	if err != nil {
		return nil, err
	}
	want := bytes.Clone(view)
	if IsOpen(frame) {
		a.open = bytes.Clone(frame)
		return want, nil
	}
	again, err := a.aged.Call(frame)
	if err == nil {
		err = same(want, again, "the same instance, asked again,")
	}
	for n := 0; err == nil && n < a.rounds; n++ {
		err = a.fresh(frame, want)
	}
	if err != nil {
		return nil, err
	}
	return want, nil
}

func (a *Amnesia) fresh(frame, want []byte) error {
	fresh, err := NewAged(a.of)
	if err != nil {
		return err
	}
	defer fresh.Close()
	if _, err = fresh.Call(a.open); err != nil {
		return fmt.Errorf("a fresh instance: %w", err)
	}
	got, err := fresh.Call(frame)
	if err != nil {
		return fmt.Errorf("a fresh instance: %w", err)
	}
	return same(want, got, "a fresh instance")
}

// same tells who answers otherwise, and with what.
func same(want, got []byte, who string) error {
	if bytes.Equal(want, got) {
		return nil
	}
	return fmt.Errorf("%s answers otherwise than the aged one did: %w", who, Difference(want, got))
}

// Difference says in words where two answers that are not equal differ first.
func Difference(want, got []byte) error {
	var a, b abi.Reader
	if err := errors.Join(a.Reset(want), b.Reset(got)); err != nil {
		return err
	}
	for n := 1; ; n++ {
		was, more, _ := a.Next()
		is, also, _ := b.Next()
		switch {
		case !more && !also:
			return errors.New("the frames' bytes differ")
		case more != also:
			return fmt.Errorf("verdict %d is there once only: %v%v", n, nameIf(more, was.Op), nameIf(also, is.Op))
		}
		x, y := abi.New(was.Op), abi.New(is.Op)
		if x == nil || y == nil || a.Decode(was, x) != nil || b.Decode(is, y) != nil {
			return fmt.Errorf("verdict %d cannot be read", n)
		}
		if d := sdktest.Difference(x, y); d != "" {
			return fmt.Errorf("verdict %d, %s: %s", n, was.Op, d)
		}
	}
}

func nameIf(there bool, op abi.Op) string {
	if !there {
		return ""
	}
	return op.String()
}

// IsOpen tells whether a frame brings OPEN.
func IsOpen(frame []byte) bool {
	var r abi.Reader
	if r.Reset(frame) != nil {
		return false
	}
	raw, ok, err := r.Next()
	return ok && err == nil && raw.Op == abi.OpOpen
}
