package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRealModulesAreNoTangle wants every module at hand to stay far below what is refused as too much for the compiler, and prints the largest.
func TestRealModulesAreNoTangle(t *testing.T) {
	modules := map[string][]byte{"the Go guest": goGuest(t)}
	files, _ := filepath.Glob("../../../../testplugins/golden/*/*.wasm")
	more, _ := filepath.Glob("testdata/corpus/*.wasm")
	if len(files) == 0 || len(more) == 0 {
		t.Fatal("no modules")
	}
	for _, builder := range []func() ([]byte, error){benchGo, benchC} {
		if module, err := builder(); err == nil {
			modules[fmt.Sprint("a bench of ", len(module), " bytes")] = module
		}
	}
	for _, file := range append(files, more...) {
		modules[filepath.Base(file)] = must(t)(os.ReadFile(file))
	}
	for name, module := range modules {
		w := &rewriter{}
		if _, err := w.rewrite(module); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w.tangled > maxKnots/16 || w.toil > maxToil/16 {
			t.Errorf("%s is near the limit", name)
		}
		t.Logf("%s: %d bytes, %d functions; %d knots in one function, toil of %d in all", name, len(module), w.own(), w.tangled, w.toil)
	}
}

// TestBombs wants modules refused that would take minutes to compile. Each is a few kilobytes.
func TestBombs(t *testing.T) {
	const n = 4000
	ways := bytes.Repeat([]byte{opLocalGet, 0, opBrIf, 0}, n)
	var sets, uses []byte
	for k := range uint32(n) {
		sets = append(appendU32(append(sets, opLocalGet, 0, opLocalSet), k+1), opLocalGet, 0, opBrIf, 0)
		uses = append(appendU32(append(uses, opLocalGet), k+1), drop)
	}
	locals := newPlugin(slices.Concat([]byte{opBlock, typeEmpty}, sets, []byte{opEnd}, uses, bodyZero))
	locals.funcs[2].locals = append(appendU32([]byte{1}, n), typeI32)
	wide := withTypes(t, wideType(1000, 1000, 0x7e))
	values := bytes.Repeat([]byte{opLocalGet, 0, 0x28, 2, 0}, n)
	many := newPlugin(bodyZero)
	for range 40 { // each of them a second
		many.funcs = append(many.funcs, testFunc{sig: sigCall,
			body: slices.Concat(values[:1000*5], []byte{opBlock, typeEmpty}, ways[:1000*4], []byte{opEnd}, bytes.Repeat([]byte{opI32Add}, 999))})
	}
	for name, m := range map[string]*testModule{
		"locals": locals,
		"values": newPlugin(slices.Concat(values, []byte{opBlock, typeEmpty}, ways, []byte{opEnd}, bytes.Repeat([]byte{opI32Add}, n-1))),
		"results": newPlugin(slices.Concat(bytes.Repeat(i64Const(1), 1000), []byte{opBlock, wide}, ways, []byte{opEnd},
			bytes.Repeat([]byte{drop}, 1000), bodyZero)),
		"loops":          newPlugin(slices.Concat(bytes.Repeat([]byte{opLoop, typeEmpty}, n), bytes.Repeat([]byte{opEnd}, n), bodyZero)),
		"many functions": many,
	} {
		if _, err := meter(m.bytes()); !errors.Is(err, errLimit) || !strings.Contains(err.Error(), "at byte ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
