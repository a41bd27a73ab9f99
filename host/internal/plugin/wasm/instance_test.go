package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

var emptyFrame = make([]byte, 8)

func TestEcho(t *testing.T) {
	i := instanceOf(t, newPlugin(bodyEcho), plugin.Limits{})
	if i.Inbox() != inboxSize {
		t.Fatalf("inbox %d", i.Inbox())
	}
	for _, text := range []string{"first", "", "a longer second", strings.Repeat("x", 1<<15)} {
		frame := frameOf(testHead, text)
		answer, f := i.Call(time.Second, frame)
		if f != nil || !bytes.Equal(answer, frame) {
			t.Fatalf("%q: %d bytes, %v", text, len(answer), f)
		}
	}
}

func TestFrameLargerThanInbox(t *testing.T) {
	i := instanceOf(t, newPlugin(bodyEcho), plugin.Limits{})
	_, f := i.Call(0, make([]byte, i.Inbox()+1))
	if f == nil || f.Kind != plugin.Protocol || f.Fatal() || !errors.Is(f, abi.ETOOBIG) {
		t.Fatalf("%+v", f)
	}
	if _, f := i.Call(0, emptyFrame); f != nil {
		t.Fatalf("the instance is lost: %v", f)
	}
}

func TestSins(t *testing.T) {
	short := plugin.Limits{Event: 20 * time.Millisecond}
	long := plugin.Limits{Event: time.Minute} // for sins that end on their own
	exit := newPlugin(slices.Concat(i32Const(3), callOf(0), []byte{0x00}))
	exit.imports = []testImport{{wasiModule, "proc_exit", sigExit}}
	logSpan := newPlugin(slices.Concat(i32Const(1), i32Const(-1), i32Const(9), callOf(0), bodyZero))
	logSpan.imports = []testImport{{abi.HostModule, "log", sigLog}}
	tests := []struct {
		name   string
		module *testModule
		limits plugin.Limits
		kind   plugin.Kind
		cause  string
	}{
		{"trap", newPlugin(bodyTrap), long, plugin.Trap, "unreachable"},
		{"out of bounds", newPlugin([]byte{0x41, 0x7f, 0x28, 0, 0}), long, plugin.Trap, "out of bounds memory access"},
		{"loop", newPlugin(bodySpin), short, plugin.Deadline, "ran longer than 20ms"},
		{"calls without loop", newPlugin(slices.Concat(i32Const(60), callOf(3)), fib(3)), short, plugin.Deadline, "ran longer than 20ms"},
		{"recursion", newPlugin(slices.Concat(i32Const(0), callOf(2))), long, plugin.Trap, "stack overflow"},
		{"memory", newPlugin(bodyGrow), plugin.Limits{Event: time.Minute, Memory: 8 << 20}, plugin.Memory, "wanted more than 8388608 bytes"},
		{"exit", exit, long, plugin.Exit, "exited with code 3"},
		{"log outside memory", logSpan, long, plugin.Trap, "outside the guest's memory"},
		{"too many verdicts", newPlugin(i32Const(1<<16 + 1)), long, plugin.BadBatch, "the outbox has 65536"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			f := sin(t, instanceOf(t, test.module, test.limits), frameOf(testHead, ""), test.kind)
			if !strings.Contains(f.Cause.Error(), test.cause) || f.During != "TIMER" || f.Plugin != "sinner" || f.Generation == 0 {
				t.Errorf("%+v", f)
			}
			if took := time.Since(began); took > time.Minute { // generous: a guest that is not stopped runs for hours
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestTrapHasGuestStack(t *testing.T) {
	f := sin(t, instanceOf(t, newPlugin(callOf(3), testFunc{sig: sigAnswer, body: bodyTrap}), plugin.Limits{}), emptyFrame, plugin.Trap)
	if n := strings.Count(f.Stack, "\n"); n < 1 {
		t.Errorf("stack of %d lines: %q", n+1, f.Stack)
	}
	if line, all := fmt.Sprintf("%v", f), fmt.Sprintf("%+v", f); strings.Contains(line, "\n") || !strings.Contains(all, "guest stack:\n\t") {
		t.Errorf("%%v %q\n%%+v %q", line, all)
	}
}

func TestErrorCode(t *testing.T) {
	body := i32Const(outboxAt)
	body = append(body, i32Const(0x00696821)...) // "!hi" and a zero byte
	body = append(body, 0x36, 0, 0)              // i32.store
	for _, test := range []struct {
		body []byte
		text string
	}{{append(body, i32Const(-7)...), "EPROTO: !hi"}, {i32Const(-7), "EPROTO"}} {
		i := instanceOf(t, newPlugin(test.body), plugin.Limits{})
		for range 2 { // the instance lives on
			_, f := i.Call(0, emptyFrame)
			if f == nil || f.Kind != plugin.Protocol || f.Fatal() || !errors.Is(f, abi.EPROTO) || f.Cause.Error() != test.text {
				t.Fatalf("%+v; want %q", f, test.text)
			}
		}
	}
}

// TestGuestsTextIsTamed has guests name a function and give a reason with what moves an operator's cursor, and much of it.
func TestGuestsTextIsTamed(t *testing.T) {
	const text = "\x1b[31mred\nline\u009b\u202eback"
	m := newPlugin(slices.Concat(i32Const(outboxAt), i32Const(4096), i32Const(int32(len(text))), opCopy, i32Const(-8)))
	m.extra = appendSection(nil, secData, slices.Concat([]byte{1, 0}, i32Const(4096), []byte{opEnd}, name(text)))
	_, f := instanceOf(t, m, plugin.Limits{}).Call(0, emptyFrame)
	if f == nil || f.Error() == "" || !strings.HasSuffix(f.Cause.Error(), ":  [31mred line  back") {
		t.Errorf("%q", f.Cause)
	}
	i := instanceOf(t, newPlugin(bodyTrap), plugin.Limits{}).(*instance)
	frame := "\t" + strings.Repeat(text, 10_000) + "()\n"
	f = i.explain(fmt.Errorf("wasm error: %s%s%s", text, stackMark, strings.Repeat(frame, 30)), "")
	if len(f.Stack) > maxStackText || strings.ContainsAny(f.Stack, "\x1b\t\u009b\u202e") || !strings.HasPrefix(f.Stack, " [31mred\nline") {
		t.Errorf("stack of %d bytes: %q", len(f.Stack), f.Stack[:60])
	}
	if f.Cause.Error() != " [31mred line  back" {
		t.Errorf("%q", f.Cause)
	}
}

func TestMemoryGrowthWithinLimit(t *testing.T) {
	// weir_call grows memory by one page, writes to its last word, and answers the boxes as they were.
	body := slices.Concat(i32Const(1), []byte{0x40, 0}, i32Const(16), []byte{0x74}, // shl: old size in bytes
		i32Const(-1), []byte{0x36, 0, 0}, bodyEcho)
	i := instanceOf(t, newPlugin(body), plugin.Limits{Memory: 4 << 20})
	frame := frameOf(testHead, "text that stays")
	for range 50 { // 8 + 50 pages of 64
		answer, f := i.Call(0, frame)
		if f != nil || !bytes.Equal(answer, frame) {
			t.Fatalf("%q, %+v", answer, f)
		}
	}
}

func TestTableCannotGrow(t *testing.T) {
	// ref.null func; i32.const 1; table.grow 0: -1 when it is refused, which the carrier takes for EINVAL.
	m := newPlugin(slices.Concat([]byte{0xd0, 0x70}, i32Const(1), []byte{0xfc, 0x0f, 0}))
	m.table = []byte{0x70, 0, 4}
	_, f := instanceOf(t, m, plugin.Limits{}).Call(0, emptyFrame)
	if f == nil || !errors.Is(f, abi.EINVAL) {
		t.Fatalf("%+v", f)
	}
}

func TestStartFaults(t *testing.T) {
	spin := testFunc{sig: sigNone, body: []byte{opLoop, typeEmpty, 0x0c, 0, opEnd}}
	trapInit := testFunc{sig: sigNone, body: bodyTrap, export: abi.InitializeExport}
	spinInit := spin
	spinInit.export = abi.InitializeExport
	starts := newPlugin(bodyZero, spin)
	starts.start = 3
	noInbox := newPlugin(bodyZero)
	noInbox.funcs[1].body = bufBody(inboxAt, inboxSize-1)
	farInbox := newPlugin(bodyZero)
	farInbox.funcs[1].body = bufBody(1<<30, inboxSize)
	overlap := newPlugin(bodyZero)
	overlap.funcs[1].body = bufBody(inboxAt+1, inboxSize)
	badMinor := newPlugin(bodyZero)
	badMinor.funcs[0].body = i32Const(-2)
	tests := []struct {
		name          string
		module        *testModule
		during, cause string
	}{
		{"trap in _initialize", newPlugin(bodyZero, trapInit), "_initialize", "trap: unreachable"},
		{"loop in _initialize", newPlugin(bodyZero, spinInit), "_initialize", "deadline: ran longer than 30ms"},
		{"loop in the start function", starts, "start function", "deadline: ran longer than 30ms"},
		{"small inbox", noInbox, "weir_buf", "inbox: has 196607 bytes; at least 196608"},
		{"inbox outside", farInbox, "weir_buf", "outside the guest's memory"},
		{"overlap", overlap, "weir_buf", "inbox and outbox overlap"},
		{"marker", badMinor, "weir_abi_1", "minor version -2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := mustOpen(t, Options{Module: test.module.bytes(), Limits: plugin.Limits{Open: 30 * time.Millisecond}})
			i, f := g.New()
			if f == nil {
				i.Close()
				t.Fatal("it started")
			}
			if f.Kind != plugin.Start || f.During != test.during || !strings.Contains(f.Cause.Error(), test.cause) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestInitializeRunsOnce(t *testing.T) {
	// A global counts the calls of _initialize; weir_call answers minus it.
	init := testFunc{sig: sigNone, export: abi.InitializeExport, body: slices.Concat(i32Const(0), i32Const(0), []byte{0x28, 2, 0}, i32Const(-1), []byte{0x6a, 0x36, 2, 0})}
	_, f := instanceOf(t, newPlugin(slices.Concat(i32Const(0), []byte{0x28, 2, 0}), init), plugin.Limits{}).Call(0, emptyFrame)
	if f == nil || !errors.Is(f, abi.EINVAL) {
		t.Fatalf("%v; want EINVAL for one call", f)
	}
}

func TestCloseOrder(t *testing.T) {
	g := mustOpen(t, Options{Module: newPlugin(bodyEcho).bytes()})
	i, other := mustNew(t, g), mustNew(t, g)
	g.Close()
	g.Close()
	if _, f := g.New(); f == nil || f.Kind != plugin.Start {
		t.Fatalf("an instance of a closed generation: %v", f)
	}
	other.Close()
	frame := frameOf(testHead, "still here")
	if answer, f := i.Call(0, frame); f != nil || !bytes.Equal(answer, frame) {
		t.Fatalf("%q, %v", answer, f)
	}
	i.Close()
	i.Close()
	if _, f := i.Call(0, frame); f == nil || !errors.Is(f, errDead) {
		t.Fatalf("a closed instance answered: %v", f)
	}
}

func TestManyInstancesLeaveNothing(t *testing.T) {
	g := mustOpen(t, Options{Module: newPlugin(bodySpin).bytes(), Limits: plugin.Limits{Event: time.Millisecond}})
	before := runtime.NumGoroutine()
	for range 50 {
		i, f := g.New()
		if f != nil {
			t.Fatal(f)
		}
		if _, f := i.Call(0, emptyFrame); f == nil || f.Kind != plugin.Deadline {
			t.Fatalf("%v", f)
		}
		i.Close()
	}
	for n := 0; runtime.NumGoroutine() > before && n < 10000; n++ {
		runtime.Gosched() // wazero's watchers end on their own
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

func TestInstancesRunSideBySide(t *testing.T) {
	g := mustOpen(t, Options{Module: newPlugin(bodyEcho).bytes(), Limits: plugin.Limits{Event: time.Second}})
	failed := make(chan error)
	const workers = 4
	for w := range workers {
		go func() {
			i, f := g.New()
			if f != nil {
				failed <- f
				return
			}
			defer i.Close()
			for n := range 500 {
				frame := frameOf(testHead, fmt.Sprint(w, n))
				if answer, f := i.Call(0, frame); f != nil || !bytes.Equal(answer, frame) {
					failed <- fmt.Errorf("worker %d: %q, %v", w, answer, f) //nolint:errorlint // f may be nil
					return
				}
			}
			failed <- nil
		}()
	}
	for range workers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
