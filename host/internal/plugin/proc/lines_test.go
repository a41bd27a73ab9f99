package proc

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// TestGate: so many lines a second are printed, the others counted, and a flood has to wait for the next second.
func TestGate(t *testing.T) {
	j := &strings.Builder{}
	now := time.Unix(1000, 250_000_000)
	g := gate{Gate: plugin.Gate{Log: slog.New(slog.NewTextHandler(j, nil)), PerSecond: 3, Now: func() time.Time { return now }}}
	for range 10 {
		if wait := g.line(slog.LevelInfo, "a line"); wait != 0 {
			t.Errorf("waits %v", wait)
		}
	}
	if wait := g.line(slog.LevelInfo, strings.Repeat("x", floodedByte)); wait != 750*time.Millisecond {
		t.Errorf("a flood waits %v", wait)
	}
	now = now.Add(time.Second)
	if wait := g.line(slog.LevelInfo, "the next second"); wait != 0 {
		t.Errorf("waits %v", wait)
	}
	text := j.String()
	if strings.Count(text, "a line") != 3 || !strings.Contains(text, "suppressed_lines=8") || !strings.Contains(text, "the next second") {
		t.Error(text)
	}
}

// TestSpeaker: lines are whole however they arrive, have their level, and move no cursor.
func TestSpeaker(t *testing.T) {
	j := &strings.Builder{}
	s := &speaker{gate: &gate{Gate: plugin.Gate{Log: slog.New(slog.NewTextHandler(j, nil)), PerSecond: 9, Now: time.Now}}, tail: &tail{}}
	w := s.writer()
	for _, part := range []string{"[WARN] be", "ware\x1b[2J\u009b2J\n\n[nothing] else\n", "\xff\n", strings.Repeat("l", 2*lineBytes) + "\n"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%d %v", n, err)
		}
	}
	if got, want := s.tail.text(), "[WARN] beware [2J 2J\n[nothing] else\n\uFFFD\n"+strings.Repeat("l", lineBytes); got != want {
		t.Errorf("%q", got)
	}
	if text := j.String(); !strings.Contains(text, `level=WARN msg="beware [2J 2J"`) || !strings.Contains(text, `level=INFO msg="[nothing] else"`) {
		t.Error(text)
	}
}

// TestTail: of a long log the last lines are kept, and of a runtime's last words the first.
func TestTail(t *testing.T) {
	var long, dying tail
	for range 3 * tailLines {
		long.add("early")
	}
	long.add("late")
	if text := long.text(); strings.Count(text, "early") != tailLines-1 || !strings.HasSuffix(text, "\nlate") || long.ranOut() {
		t.Errorf("%q", text)
	}
	dying.add("before")
	dying.add("fatal error: runtime: out of memory")
	for range 500 {
		dying.add("goroutine")
	}
	if text := dying.text(); !strings.HasPrefix(text, "fatal error: runtime: out of memory\n") || !dying.ranOut() || !strings.HasPrefix(dying.brief(), "fatal error") {
		t.Errorf("%q", text)
	}
}
