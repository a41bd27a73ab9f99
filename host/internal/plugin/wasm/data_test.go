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
		"outside of memory":               {all: []testSegment{{100, "one"}, {8*65536 - 1, "two"}}, want: 2},
		"joined and outside":              {all: []testSegment{{8*65536 - 10, "one"}, {8*65536 - 2, "two"}}, want: 1},
		"empty and outside":               {all: []testSegment{{8*65536 - 10, "one"}, {8*65536 + 1, ""}}, want: 1},
		"high addresses":                  {all: []testSegment{{-20, "one"}, {-10, "two"}}, want: 1},
		"from high to low":                {all: []testSegment{{-2, "one"}, {1, "two"}}, want: 2},
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
			if !bytes.Equal(memoryOf(t, metered), memoryOf(t, plain)) {
				t.Error("memory is not the same")
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
		if !bytes.Equal(memoryOf(t, metered), memoryOf(t, plain)) {
			t.Fatalf("memory is not the same: %v", all)
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
