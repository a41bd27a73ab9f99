package wasm

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
)

// testSegment is an active data segment.
type testSegment struct {
	at   int32
	text string
}

func (s testSegment) bytes() []byte {
	return slices.Concat([]byte{0}, i32Const(s.at), []byte{opEnd}, name(s.text))
}

// dataSection makes the section of these segments.
func dataSection(all []testSegment) []byte {
	var raw [][]byte
	for _, s := range all {
		raw = append(raw, s.bytes())
	}
	return appendSection(nil, secData, vector(raw))
}

// memoryOf instantiates a module and gives its memory; nil: it is refused.
func memoryOf(t *testing.T, module []byte) []byte {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	if err := provideRefuel(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	m, err := r.Instantiate(t.Context(), module)
	if err != nil {
		return nil
	}
	b, _ := m.Memory().Read(0, m.Memory().Size())
	return bytes.Clone(b)
}

// segmentsIn counts the data segments of a module.
func segmentsIn(t *testing.T, module []byte) int {
	t.Helper()
	all, err := split(module)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s section) bool { return s.id == secData })
	return all[i].reader().count()
}

// TestJoinedSegments: data segments that follow each other become one, and memory is what it would have been.
func TestJoinedSegments(t *testing.T) {
	long := string(make([]byte, 2*maxFill))
	for what, c := range map[string]struct {
		all     []testSegment
		want    int
		counted byte
		refused bool // there is no such memory
	}{
		"with zeros between":              {all: []testSegment{{100, long}, {110 + 2*maxFill, "two"}, {113 + 3*maxFill, "three"}}, want: 1},
		"too far away":                    {all: []testSegment{{100, long}, {101 + 3*maxFill, "two"}}, want: 2},
		"backwards":                       {all: []testSegment{{200, "two"}, {190, "one"}}, want: 2},
		"over each other":                 {all: []testSegment{{100, "first"}, {102, "second"}}, want: 2},
		"around another":                  {all: []testSegment{{110, "there"}, {100, "one"}, {120, "two"}}, want: 3},
		"up to another":                   {all: []testSegment{{110, "there"}, {100, "one"}, {110, "two"}}, want: 2},
		"behind another":                  {all: []testSegment{{110, "there"}, {120, "one"}, {130, "two"}}, want: 1},
		"adjacent and over another":       {all: []testSegment{{102, "there"}, {100, "one"}, {103, "two"}}, want: 2},
		"empty":                           {all: []testSegment{{100, ""}, {110, ""}, {120, "two"}}, want: 1},
		"outside of memory":               {all: []testSegment{{100, "one"}, {8*65536 - 1, "two"}}, want: 2, refused: true},
		"joined and outside":              {all: []testSegment{{8*65536 - 10, "one"}, {8*65536 - 2, "two"}}, want: 1, refused: true},
		"empty and outside":               {all: []testSegment{{8*65536 - 10, "one"}, {8*65536 + 1, ""}}, want: 1, refused: true},
		"high addresses":                  {all: []testSegment{{-20, "one"}, {-10, "two"}}, want: 1, refused: true},
		"from high to low":                {all: []testSegment{{-2, "one"}, {1, "two"}}, want: 2, refused: true},
		"more zeros than the module long": {all: []testSegment{{0, "a"}, {maxFill, "b"}, {2 * maxFill, "c"}}, want: 3},
		"named by their index":            {all: []testSegment{{100, "one"}, {110, "two"}}, want: 2, counted: 2},
	} {
		t.Run(what, func(t *testing.T) {
			m := newPlugin(bodyZero)
			m.counted = c.counted
			m.extra = dataSection(c.all)
			plain := m.bytes()
			metered, err := meter(plain)
			if err != nil {
				t.Fatal(err)
			}
			if got := segmentsIn(t, metered); got != c.want {
				t.Errorf("%d segments, not %d", got, c.want)
			}
			got, want := memoryOf(t, metered), memoryOf(t, plain)
			if !bytes.Equal(got, want) || (want == nil) != c.refused {
				t.Errorf("memory is not the same, or not there: %v, %v", got == nil, want == nil)
			}
		})
	}
}

// TestJoinedAnywhere: the same for segments as dice throw them.
func TestJoinedAnywhere(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var all []testSegment
		at := dice.IntN(500)
		for range 1 + dice.IntN(12) {
			text := make([]byte, dice.IntN(60))
			for i := range text {
				text[i] = byte('a' + dice.IntN(26))
			}
			all = append(all, testSegment{int32(at), string(text)})
			at = max(0, at+len(text)+dice.IntN(2*maxFill)-maxFill/2)
			if dice.IntN(4) == 0 {
				at = dice.IntN(500)
			}
		}
		m := newPlugin(bodyZero)
		m.extra = dataSection(all)
		plain := m.bytes()
		metered, err := meter(plain)
		if err != nil {
			t.Fatal(err)
		}
		if want := memoryOf(t, plain); want == nil || !bytes.Equal(memoryOf(t, metered), want) {
			t.Fatalf("memory is not the same: %v", all)
		}
	}
}

// TestConstantOf: an address is known where the expression is one number of 32 bits, however it is written.
func TestConstantOf(t *testing.T) {
	for text, want := range map[string]uint64{
		"\x41\x05\x0b":                     5,
		"\x41\x85\x80\x80\x80\x00\x0b":     5, // longer than it needs to be
		"\x41\x7f\x0b":                     1<<32 - 1,
		"\x41\xff\xff\xff\xff\x7f\x0b":     1<<32 - 1,
		"\x41\x80\x80\x80\x80\x78\x0b":     1 << 31,
		"\x41\xff\xff\xff\xff\x07\x0b":     1<<31 - 1,
		"\x41\x80\x80\x80\x80\x10\x0b":     none, // 33 bits
		"\x41\x80\x80\x80\x80\x08\x0b":     none, // positive, with the sign's bit
		"\x41\x80\x80\x80\x80\x80\x00\x0b": none,
		"\x41\x80\x0b":                     none,
		"\x41\x05\x41\x05\x0b":             none,
		"\x23\x00\x0b":                     none, // a global
		"\x42\x05\x0b":                     none,
		"":                                 none,
	} {
		if got, ok := constantOf([]byte(text)); ok != (want != none) || ok && got != want {
			t.Errorf("%x is %d, %v", text, got, ok)
		}
	}
}

const none = ^uint64(0)

// TestSegmentsElsewhere: segments whose place is not a number stay as they are, and nothing is joined behind one that may be anywhere.
func TestSegmentsElsewhere(t *testing.T) {
	passive := append([]byte{1}, name("later")...)
	named := slices.Concat([]byte{2, 0}, i32Const(50), []byte{opEnd}, name("named"))
	for what, first := range map[string][]byte{"passive": passive, "named": named} {
		m := newPlugin(bodyZero)
		m.extra = appendSection(nil, secData, vector([][]byte{first, testSegment{100, "one"}.bytes(), testSegment{110, "two"}.bytes()}))
		plain := m.bytes()
		metered, err := meter(plain)
		if err != nil {
			t.Fatal(err)
		}
		if n := segmentsIn(t, metered); n != 3 {
			t.Errorf("%s: %d segments", what, n)
		}
		if want := memoryOf(t, plain); want == nil || !bytes.Equal(memoryOf(t, metered), want) {
			t.Errorf("%s: memory is not the same", what)
		}
	}
}

// TestGoSegments: of a Go guest's thousands of segments few remain, and the module grows by no more than they were long.
func TestGoSegments(t *testing.T) {
	plain := goGuest(t)
	metered, err := meter(plain)
	if err != nil {
		t.Fatal(err)
	}
	before, after := segmentsIn(t, plain), segmentsIn(t, metered)
	t.Logf("%d segments become %d", before, after)
	if before < 1000 || after > 100 {
		t.Error("too many")
	}
}
