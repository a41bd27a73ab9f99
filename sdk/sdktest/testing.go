package sdktest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// Read gives a file's bytes. Path is from the package's folder.
func Read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	Must(t, err)
	return b
}

// Must ends the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Run runs the scripts that glob names against p, each as a subtest. At least one must
// be there.
func Run(t *testing.T, p *sdk.Plugin, glob string) {
	t.Helper()
	each(t, glob, func() Carrier { return Native(p) })
}

// Amnesia runs the scripts with each event on one aged instance and on fresh ones that
// have seen nothing but OPEN, and demands the same bytes of verdicts from all.
func Amnesia(t *testing.T, fresh func() *sdk.Plugin, glob string) {
	t.Helper()
	each(t, glob, func() Carrier { return &amnesiac{fresh: fresh, aged: Native(fresh())} })
}

func each(t *testing.T, glob string, carrier func() Carrier) {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts at %s (%v)", glob, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if err := CheckFile(path, carrier()); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		})
	}
}

// freshRounds is how many fresh instances see each event: enough that an answer which
// follows the order of a map differs at least once (chosen).
const freshRounds = 8

type amnesiac struct {
	fresh func() *sdk.Plugin
	aged  Carrier
	open  []byte
}

func (a *amnesiac) Call(frame []byte) ([]byte, error) {
	want, err := a.aged.Call(frame)
	if err != nil {
		return nil, err
	}
	if isOpen(frame) {
		a.open = bytes.Clone(frame)
		return want, nil
	}
	for range freshRounds {
		c := Native(a.fresh())
		if _, err := c.Call(a.open); err != nil {
			return nil, fmt.Errorf("fresh instance: %w", err)
		}
		got, err := c.Call(frame)
		if err != nil {
			return nil, fmt.Errorf("fresh instance: %w", err)
		}
		if !bytes.Equal(got, want) {
			return nil, fmt.Errorf("a fresh instance answers otherwise: %s; the aged one: %s", summary(got), summary(want))
		}
	}
	return want, nil
}

func isOpen(frame []byte) bool {
	const firstOp = 8 // behind the frame's head (spec.md §4)
	return len(frame) > firstOp+2 && abi.Op(binary.LittleEndian.Uint16(frame[firstOp:])) == abi.OpOpen
}

// summary shows an answer of whatever session.
func summary(answer []byte) string {
	var r abi.Reader
	if err := r.Reset(answer); err != nil {
		return err.Error()
	}
	raw, ok, _ := r.Next()
	if !ok {
		return "none"
	}
	list, err := decode(answer, raw.Session)
	if err != nil {
		return err.Error()
	}
	return showAll(list)
}
