package wasm

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// limitsForTests leaves a Go guest time on a busy machine that runs the race detector.
var limitsForTests = plugin.Limits{Event: 10 * time.Second, Open: time.Minute}

func TestGoGuestGetsNothing(t *testing.T) {
	i := goInstance(t, limitsForTests)
	for _, test := range []struct{ command, want string }{
		{"echo text", "text"},
		{"none", ""},
		{"now", "1700000000123456789"},
		{"world", "true true true true 0 0"},
		{"collect", "200"},
		{"goroutine", "from a goroutine"},
		{"echo " + strings.Repeat("long ", 10000), strings.Repeat("long ", 10000)},
	} {
		if got := ask(t, i, test.command); got != test.want {
			t.Errorf("%.20s: %.100q; want %.100q", test.command, got, test.want)
		}
	}
}

func TestRandomIsTheEventsEntropy(t *testing.T) {
	g := mustOpen(t, Options{Module: goGuest(t), CacheDir: cacheFolder, Limits: limitsForTests})
	i, other := mustNew(t, g), mustNew(t, g)
	ask(t, other, "random") // an aged instance
	first := ask(t, i, "random")
	if again, fresh := ask(t, i, "random"), ask(t, other, "random"); first != again || first != fresh || len(first) != 32 {
		t.Errorf("%s, %s, %s; want the same", first, again, fresh)
	}
	head := testHead
	head.Entropy[15]++
	if b, f := i.Call(0, frameOf(head, "random")); f != nil || string(b) == first {
		t.Errorf("other entropy: %s, %v", b, f)
	}
}

func TestHeldStateIsNotTheEvent(t *testing.T) {
	i := goInstance(t, limitsForTests).(*instance)
	var w abi.Writer
	w.Reset(make([]byte, 1024))
	if err := w.Put(1, 0, &abi.State{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Put(1, 0, &abi.Timer{Head: testHead}); err != nil {
		t.Fatal(err)
	}
	i.guest.enter(w.Bytes())
	if i.guest.head != testHead || plugin.During(w.Bytes()) != "TIMER" {
		t.Errorf("head %+v during %s", i.guest.head, plugin.During(w.Bytes()))
	}
}

func TestMapRangesDifferBetweenInstances(t *testing.T) {
	g := mustOpen(t, Options{Module: goGuest(t), CacheDir: cacheFolder, Limits: limitsForTests})
	orders := map[string]bool{}
	for range 4 {
		orders[ask(t, mustNew(t, g), "ranges")] = true
	}
	if len(orders) < 2 {
		t.Error("four instances range over a map of 100 in one order")
	}
}

func TestGoGuestSins(t *testing.T) {
	g := mustOpen(t, Options{Module: goGuest(t), CacheDir: cacheFolder, Limits: limitsForTests})
	for _, test := range []struct {
		command    string
		kind       plugin.Kind
		cause, log string
	}{
		{"panic at the disco", plugin.Trap, "unreachable", "panic: at the disco"},
		{"exit", plugin.Exit, "exited with code 7", ""},
		{"grow", plugin.Memory, "wanted more than 67108864 bytes", "out of memory"},
		{"block", plugin.Trap, "unreachable", "deadlock"},
	} {
		f := sin(t, mustNew(t, g), frameOf(testHead, test.command), test.kind)
		if !strings.Contains(f.Cause.Error(), test.cause) || !strings.Contains(f.Log, test.log) {
			t.Errorf("%s: %+v", test.command, f)
		}
	}
}

func TestGoGuestDeadline(t *testing.T) {
	g := mustOpen(t, Options{Module: goGuest(t), CacheDir: cacheFolder, Limits: plugin.Limits{Event: 20 * time.Millisecond, Open: time.Minute}})
	for _, command := range []string{"spin", "sleep"} { // time stands still during a call, so that a sleep has no end
		f := sin(t, mustNew(t, g), frameOf(testHead, command), plugin.Deadline)
		if f.Cause.Error() != "ran longer than 20ms" {
			t.Errorf("%s: %+v", command, f)
		}
	}
}

func TestLogGoesToTheHost(t *testing.T) {
	var out lines
	g := mustOpen(t, Options{Module: goGuest(t), CacheDir: cacheFolder, Limits: limitsForTests, Log: out.logger()})
	i := mustNew(t, g)
	ask(t, i, "print hello")
	ask(t, i, "log careful")
	text := out.String()
	for _, want := range []string{"level=INFO msg=hello plugin=sinner", "level=INFO msg=\"hello to stderr\"", "level=WARN msg=careful", fmt.Sprint("generation=", g.Number())} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the log:\n%s", want, text)
		}
	}
}

func TestLogOfAFaultIsPrintedOnce(t *testing.T) {
	var out lines
	g := mustOpen(t, Options{Module: goGuest(t), CacheDir: cacheFolder, Limits: limitsForTests, Log: out.logger()})
	f := sin(t, mustNew(t, g), frameOf(testHead, "panic now"), plugin.Trap)
	if !strings.HasPrefix(f.Log, "INFO before the panic\n") || !strings.Contains(f.Log, "panic: now") {
		t.Errorf("fault's log %q", f.Log)
	}
	if out.String() != "" {
		t.Errorf("host's log:\n%s", out.String())
	}
}

func TestGateLetsSoManyLines(t *testing.T) {
	var out lines
	now := time.Unix(100, 0)
	g := plugin.Gate{Log: out.logger(), PerSecond: 3, Now: func() time.Time { return now }}
	var j journal
	for range 5 {
		j.line(slog.LevelInfo, []byte("a line"))
	}
	g.Lines(j.each)
	now = now.Add(time.Second)
	j.line(slog.LevelInfo, []byte("later"))
	g.Lines(j.each)
	text := out.String()
	if strings.Count(text, "a line") != 3 || strings.Count(text, "suppressed_lines=2") != 1 || !strings.Contains(text, "later") || !j.empty() {
		t.Errorf("log:\n%s", text)
	}
	for range journalLines + 10 {
		j.line(slog.LevelInfo, []byte("flood"))
	}
	g.Lines(j.each)
	g.Close()
	if text := out.String(); !strings.Contains(text, fmt.Sprint("suppressed_lines=", journalLines+10-2)) {
		t.Errorf("log:\n%s", text)
	}
}

func TestLogLevels(t *testing.T) {
	for level, want := range map[int32]slog.Level{-100: slog.LevelDebug, -4: slog.LevelDebug, -1: slog.LevelDebug, 0: slog.LevelInfo, 4: slog.LevelWarn,
		7: slog.LevelWarn, 8: slog.LevelError, 1 << 30: slog.LevelError} {
		if got := slogLevel(level); got != want {
			t.Errorf("%d is %v; want %v", level, got, want)
		}
	}
}

func TestJournal(t *testing.T) {
	var j journal
	j.stream([]byte("in "))
	j.stream([]byte("pieces\nand\x1b[31m\xff a rest"))
	j.line(slog.LevelError, []byte(strings.Repeat("x", 2*journalLine)))
	j.stream([]byte(strings.Repeat("y", 2*journalLine)))
	want := "INFO in pieces\nERROR " + strings.Repeat("x", journalLine) + "\nINFO and [31m\uFFFD a rest"
	if got := j.tail(); !strings.HasPrefix(got, want) || !j.empty() {
		t.Errorf("%q", got)
	}
	for n := range journalLines + 1 {
		j.line(slog.LevelInfo, fmt.Appendf(nil, "line %d.", n))
	}
	last := fmt.Sprintf("INFO line %d.\nINFO line %d.\n", journalFirst-1, journalFirst+1) // one line is missing
	if got := j.tail(); !strings.HasPrefix(got, "INFO line 0.\n") || !strings.Contains(got, last) || !strings.HasSuffix(got, fmt.Sprintf("line %d.\n", journalLines)) {
		t.Errorf("%q", got)
	}
}
