package wasm

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// TestBulkInPieces fills and copies more than a slice of fuel pays for, so that the helpers do it: overlapping upward and downward, up to the last byte
// and past it.
func TestBulkInPieces(t *testing.T) {
	three := []byte{opLocalGet, 0, opLocalGet, 1, opLocalGet, 2}
	m := large(newPlugin(bodyZero,
		testFunc{sig: sigLog, export: "fill", body: join(three, opFill)},
		testFunc{sig: sigLog, export: "copy", body: join(three, opCopy)},
		testFunc{sig: sigLog, export: "mark", body: []byte{opLocalGet, 0, opLocalGet, 1, 0x36, 0, 0}}))
	w := twinsOf(t, m.bytes())
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same each time
	const size = 48 << 20
	for range 200 {
		w.call(t, time.Minute, "mark", uint64(random.IntN(size-4)), uint64(random.Uint32()), 0)
	}
	inside := 0
	for range 60 {
		to, from, n := random.IntN(size), random.IntN(size), random.IntN(size/2)
		switch random.IntN(4) {
		case 0:
			n = size - max(to, from) // up to the last byte
		case 1:
			from = min(max(to+random.IntN(3*pieceBytes)-pieceBytes, 0), size) // overlapping
		case 2:
			n = random.IntN(2 * pieceBytes)
		}
		if w.call(t, time.Minute, "copy", uint64(to), uint64(from), uint64(n)) {
			inside++
		}
		w.call(t, time.Minute, "fill", uint64(from), uint64(n), uint64(n/3))
	}
	if inside < 20 || inside > 58 {
		t.Errorf("%d of 60 lay inside the memory", inside)
	}
}

// TestMeterRefuses names what the meter does not take, with the place.
func TestMeterRefuses(t *testing.T) {
	code := func(body ...byte) []byte { return newPlugin(body).bytes() }
	locals := newPlugin(bodyZero)
	locals.funcs[2].locals = []byte{1, 0xd1, 0x86, 0x03, typeI32} // 50,001
	start := newPlugin(bodyZero)
	start.start = 3
	elements := appendSection(newPlugin(bodyZero).bytes()[:8], secElement, []byte{1, 0, opI32Const, 0, opEnd, 1, 9})
	importer := newPlugin(bodyZero)
	importer.imports = []testImport{{meterModule, refuelName, sigAnswer}}
	for _, test := range []struct {
		name   string
		module []byte
		want   string
		kind   error
	}{
		{"function", code(opCall, 3), "function 3 does not exist", nil},
		{"function of ref.func", code(opRefFunc, 3), "function 3 does not exist", nil},
		{"start", start.bytes(), "function 3 does not exist", nil},
		{"element", elements, "function 9 does not exist", nil},
		{"global", code(opGlobalGet, 0), "global 0 does not exist", nil},
		{"local", code(opLocalGet, 1), "local 1 does not exist", nil},
		{"type of a block", code(opBlock, 9), "type 9 does not exist", nil},
		{"type of a call", code(opCallIndirect, 9, 0), "type 9 does not exist", nil},
		{"the meter's import", importer.bytes(), "imports from weir_meter, which is the host's own", nil},
		{"instruction", code(0xfe, 0, 0), "instruction 0xfe is not part", errVersion},
		{"tail call", code(0x12, 0), "instruction 0x12 is not part", errVersion},
		{"vector", code(opPrefixFD, 0x80, 0x02), "vector instruction behind 0x80", errVersion},
		{"second memory", code(opMemorySize, 1), "second memory", errVersion},
		{"locals", locals.bytes(), "50002 locals; at most 50000", errLimit},

		{"code behind the end", code(opEnd, opEnd), "follow the section's content", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := meter(test.module)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "at byte ") {
				t.Fatalf("%v; want %q", err, test.want)
			}
			if test.kind != nil && !errors.Is(err, test.kind) {
				t.Errorf("%v is not %v", err, test.kind)
			}
		})
	}
}

// TestStackKeepsNames lets a function with a name trap: the fault's stack has that name, though the meter has moved the function.
func TestStackKeepsNames(t *testing.T) {
	m := newPlugin(callOf(3), testFunc{sig: sigAnswer, body: bodyTrap})
	m.extra = appendSection(nil, secCustom, join(name("name"), []byte{namesFunctions, 11, 2, 2, 3, 'o', 'n', 'e', 3, 3, 't', 'w', 'o'}))
	f := sin(t, instanceOf(t, m, limitsForTests), emptyFrame, plugin.Trap)
	if one, two := strings.Index(f.Stack, ".one("), strings.Index(f.Stack, ".two("); one < 0 || two < 0 || two > one {
		t.Errorf("stack %q", f.Stack)
	}
}

// TestMeteredSize bounds what the meter adds to a Go guest (code, and zeros between data segments), and refuses to meter twice.
func TestMeteredSize(t *testing.T) {
	module := goGuest(t)
	once, err := meter(module)
	if err != nil {
		t.Fatal(err)
	}
	if len(once) > len(module)*5/4 {
		t.Errorf("%d bytes became %d", len(module), len(once))
	}
	if _, err := meter(once); err == nil || !strings.Contains(err.Error(), "which is the host's own") {
		t.Errorf("%v", err)
	}
}

// TestStackOfDeadline lets a function with a name run for too long: the stack begins with it, and not with the meter.
func TestStackOfDeadline(t *testing.T) {
	f := sin(t, instanceOf(t, newPlugin(bodySpin), plugin.Limits{Event: 20 * time.Millisecond}), emptyFrame, plugin.Deadline)
	if f.Stack == "" || strings.Contains(f.Stack, meterModule) {
		t.Errorf("stack %q", f.Stack)
	}
}
