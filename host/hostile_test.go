package host_test

import (
	"encoding/binary"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// What testplugins/hostile calls, as in hostile.c.
const (
	doLog = iota
	doArgsGet
	doArgsSizes
	doEnvironGet
	doEnvironSizes
	doClockRes
	doClockTime
	doFDWrite
	doFDRead
	doPrestat
	doPathOpen
	doPoll
	doRandom
	doYield
	doSockSend
	doExit
	doGrow
	doFill
	doStore
	doRepeat
)

// Addresses in hostile's memory, which the tests first grow to hostileMemory.
const (
	hostileMemory = 16 << 20
	free          = 1 << 20    // nothing of the guest's own lies here
	outside       = 0xFFFFFF00 // far above
	edge          = hostileMemory - 4
)

// hostileTime is how long a call may take whose time limit is a hundredth of it. Chosen:
// so that a busy machine keeps it; what nothing can interrupt takes longer.
const hostileTime = 10 * time.Second

type hostileCall [5]uint32

func hostileQuery(calls []hostileCall) []byte {
	grow := hostileCall{doGrow, hostileMemory>>16 - 10} // it begins with ten pages
	var b []byte
	for _, c := range append([]hostileCall{grow}, calls...) {
		for _, n := range c {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
	}
	return b
}

func hostileFrame(query []byte) []byte {
	var w abi.Writer
	w.Reset(make([]byte, abi.MinInbox))
	e := &abi.HTTPRequest{Head: abi.Head{UnixNano: 1e18, MonoNano: 1e12, Conn: 1}, Method: []byte("GET"), Path: []byte("/hostile"), Query: query}
	if err := w.Put(1, 0, e); err != nil {
		return nil
	}
	return w.Bytes()
}

func openHostile(t testing.TB, log *slog.Logger) plugin.Generation {
	t.Helper()
	g, err := wasm.Open(t.Context(), wasm.Options{Module: hosttest.Build(t, sinners+"/hostile"), CacheDir: moduleCache, Log: log,
		Limits: plugin.Limits{Memory: hostileMemory + 2<<16, Event: 100 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func startHostile(t testing.TB, g plugin.Generation) plugin.Instance {
	t.Helper()
	i, fault := g.New()
	if fault != nil {
		t.Fatalf("%+v", fault)
	}
	return i
}

// writeMuch writes nearly all memory 64 times with each of its calls.
func writeMuch(c uint32) []hostileCall {
	const vectors, size = free, hostileMemory - free - 1<<16
	calls := []hostileCall{{doFill, vectors + 1<<16, size, c}}
	for i := range uint32(64) {
		calls = append(calls, hostileCall{doStore, vectors + 8*i, vectors + 1<<16}, hostileCall{doStore, vectors + 8*i + 4, size})
	}
	return append(calls, hostileCall{doRepeat, 0xFFFFFFFF}, hostileCall{doFDWrite, 1, vectors, 64, vectors + 1024})
}

// hostileCases are arguments that no sound guest has. want is what the calls return, or
// the kind of fault and a part of its text.
var hostileCases = []struct {
	name  string
	calls []hostileCall
	want  string
}{
	{"log a span outside", []hostileCall{{doLog, 0, outside, 4096}}, "trap: log: bytes outside"},
	{"log a span over the edge", []hostileCall{{doLog, 0, edge, 5}}, "trap: log: bytes outside"},
	{"log a length of all ones", []hostileCall{{doLog, 0, 0, 0xFFFFFFFF}}, "trap: log: bytes outside"},
	{"log all memory", []hostileCall{{doLog, 0, 0, hostileMemory}}, "0"},
	{"log at odd levels", []hostileCall{{doLog, 0x80000000, free, 1}, {doLog, 0x7FFFFFFF, free, 1}}, "0 0"},
	{"log nothing", []hostileCall{{doLog, 0, hostileMemory, 0}}, "0"},
	{"log without end", []hostileCall{{doRepeat, 0xFFFFFFFF}, {doLog, 0, 0, hostileMemory}}, "deadline: ran longer"},
	{"write vectors outside", []hostileCall{{doFDWrite, 1, outside, 1, free}}, "21"},
	{"write vectors that wrap around", []hostileCall{{doFDWrite, 1, 0xFFFFFFF8, 64, free}}, "21"},
	{"write a span outside", []hostileCall{{doStore, free, outside}, {doStore, free + 4, 100}, {doFDWrite, 1, free, 1, free + 8}}, "0 0 21"},
	{"write a length of all ones", []hostileCall{{doStore, free, 0}, {doStore, free + 4, 0xFFFFFFFF}, {doFDWrite, 2, free, 1, free + 8}}, "0 0 21"},
	{"write too many vectors", []hostileCall{{doFDWrite, 1, free, 0xFFFFFFFF, free}}, "28"},
	{"write the count outside", []hostileCall{{doFDWrite, 1, free, 1, outside}}, "21"},
	{"write elsewhere", []hostileCall{{doFDWrite, 0, free, 1, free}, {doFDWrite, 3, outside, 1, outside}}, "8 8"},
	{"write nothing but line ends", []hostileCall{{doFill, free, 8 << 20, '\n'}, {doStore, free, free}, {doStore, free + 4, 8 << 20},
		{doRepeat, 0xFFFFFFFF}, {doFDWrite, 1, free, 1, free + 8}}, "deadline: ran longer"},
	{"write a gigabyte of line ends at once", writeMuch('\n'), "deadline: ran longer"},
	{"write a gigabyte of one line at once", writeMuch('x'), "deadline: ran longer"},
	{"poll for too much", []hostileCall{{doPoll, free, free, 0xFFFFFFFF, free}}, "28"},
	{"poll for a count that wraps around", []hostileCall{{doPoll, free, free, 0x05555556, free}}, "28"},
	{"poll for nothing", []hostileCall{{doPoll, free, free, 0, free}}, "28"},
	{"poll outside", []hostileCall{{doPoll, outside, free, 1, free}, {doPoll, free, outside, 1, free},
		{doPoll, free, free + 4096, 1, outside}}, "21 21 21"},
	{"poll over itself", []hostileCall{{doPoll, free, free, 64, free}}, "0"},
	{"poll without end", []hostileCall{{doRepeat, 0xFFFFFFFF}, {doPoll, free, free + 4096, 64, free + 8192}}, "deadline: ran longer"},
	{"random bytes outside", []hostileCall{{doRandom, outside, 4096}, {doRandom, edge, 5}, {doRandom, 0, 0xFFFFFFFF}}, "21 21 28"},
	{"random bytes up to the edge", []hostileCall{{doRandom, edge, 4}, {doRandom, hostileMemory, 0}}, "0 0"},
	{"random bytes without end", []hostileCall{{doRepeat, 0xFFFFFFFF}, {doRandom, free, 1 << 20}}, "deadline: ran longer"},
	{"clocks outside", []hostileCall{{doClockTime, 0, 1, outside}, {doClockTime, 1, 1, edge}, {doClockRes, 0, outside}}, "21 21 21"},
	{"a clock that is none", []hostileCall{{doClockTime, 99, 1, free}}, "28"},
	{"arguments outside", []hostileCall{{doArgsSizes, outside, free}, {doArgsGet, outside, outside}}, "21 0"},
	{"environment outside", []hostileCall{{doEnvironSizes, free, outside}, {doEnvironGet, 0, 0}}, "21 0"},
	{"files", []hostileCall{{doPathOpen, 3, outside, 0xFFFFFFFF, outside}, {doFDRead, 0, outside, 0xFFFFFFFF, outside}, {doPrestat, 3, outside}}, "8 8 8"},
	{"sockets", []hostileCall{{doSockSend, 3, outside, 0xFFFFFFFF, outside}}, "8"},
	{"more memory than there is", []hostileCall{{doGrow, 0xFFFFFFFF}, {doGrow, 0x10000}}, "4294967295 4294967295"},
	{"exit", []hostileCall{{doExit, 0xFFFFFFFF}}, "exit: exited with code 4294967295"},
	{"yield without end", []hostileCall{{doRepeat, 0xFFFFFFFF}, {doYield}}, "deadline: ran longer"},
}

// TestHostileImports: no arguments of the host's functions harm the host: the call is
// answered, or ends in a fault, in time; and other instances work as before.
func TestHostileImports(t *testing.T) {
	g := openHostile(t, slog.New(slog.DiscardHandler))
	bystander := startHostile(t, g)
	defer bystander.Close()
	for _, test := range hostileCases {
		t.Run(test.name, func(t *testing.T) {
			i := startHostile(t, g)
			defer i.Close()
			began := time.Now()
			answer, fault := i.Call(0, hostileFrame(hostileQuery(test.calls)))
			if took := time.Since(began); took > hostileTime {
				t.Errorf("it took %v", took)
			}
			got := "10 " // pages before the test's own growth
			if fault != nil {
				got = fault.Kind.String() + ": " + fault.Cause.Error()
			} else {
				got, test.want = hostileAnswer(t, answer), got+test.want+" "
			}
			if fault == nil && got != test.want || fault != nil && !strings.HasPrefix(got, test.want) {
				t.Errorf("%q; want %q", got, test.want)
			}
			answer, fault = bystander.Call(0, hostileFrame(nil))
			if fault != nil || hostileAnswer(t, answer) != "" {
				t.Errorf("the bystander: %q, %v", answer, fault)
			}
		})
	}
}

// hostileAnswer is the body of the one response.
func hostileAnswer(t testing.TB, frame []byte) string {
	t.Helper()
	var r abi.Reader
	var response abi.HTTPResponse
	if err := r.Reset(frame); err != nil {
		t.Fatal(err)
	}
	raw, ok, err := r.Next()
	if err != nil || !ok || r.Decode(raw, &response) != nil {
		t.Fatalf("answer %q", frame)
	}
	var text []byte
	for p := range response.Pieces.All() {
		text = append(text, p.Bytes...)
	}
	return string(text)
}

// TestHostileLogIsBounded: what a guest logs does not pile up in the host.
func TestHostileLogIsBounded(t *testing.T) {
	g := openHostile(t, slog.New(slog.DiscardHandler))
	i := startHostile(t, g)
	defer i.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 20 {
		if _, fault := i.Call(0, hostileFrame(hostileQuery([]hostileCall{{doRepeat, 2000}, {doLog, 0, 0, 1 << 19}}))); fault != nil {
			t.Fatalf("%+v", fault)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	const most = hostileMemory + 2<<20
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > most {
		t.Errorf("%d bytes are held after 40,000 lines; at most %d, which is the guest's memory and some", grown, most)
	}
}

// FuzzHostileImports calls the host's functions with any arguments. The instance is one
// for all inputs until it faults, as in a server.
func FuzzHostileImports(f *testing.F) {
	for _, test := range hostileCases {
		f.Add(hostileQuery(test.calls))
	}
	g := openHostile(f, slog.New(slog.DiscardHandler))
	var i plugin.Instance
	f.Fuzz(func(t *testing.T, query []byte) {
		frame := hostileFrame(query)
		if frame == nil {
			return // longer than the inbox
		}
		if i == nil {
			i = startHostile(t, g)
		}
		began := time.Now()
		_, fault := i.Call(20*time.Millisecond, frame)
		if fault != nil && fault.Fatal() {
			i.Close()
			i = nil
		}
		if took := time.Since(began); took > hostileTime {
			t.Errorf("it took %v (%v)", took, fault)
		}
	})
}
