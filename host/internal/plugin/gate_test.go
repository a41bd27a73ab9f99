package plugin

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestGate: so many lines a second are printed, the others are counted, with those that were lost before they came, and Close says so.
func TestGate(t *testing.T) {
	var out strings.Builder
	now := time.Unix(100, 0)
	g := Gate{Log: slog.New(slog.NewTextHandler(&out, nil)), PerSecond: 2, Now: func() time.Time { return now }}
	g.Line(slog.LevelWarn, "one")
	g.Lines(func(yield func(slog.Level, string)) int {
		yield(slog.LevelInfo, "two")
		yield(slog.LevelInfo, "three")
		return 4
	})
	if text := out.String(); !strings.Contains(text, "level=WARN msg=one") || !strings.Contains(text, "two") || strings.Contains(text, "three") || strings.Contains(text, "suppressed") {
		t.Error(text)
	}
	now = now.Add(time.Second)
	g.Line(slog.LevelInfo, "next")
	if text := out.String(); !strings.Contains(text, "suppressed_lines=5") || !strings.Contains(text, "next") {
		t.Error(text)
	}
	g.Close()
	if strings.Count(out.String(), "suppressed") != 1 {
		t.Error(out.String())
	}
}
