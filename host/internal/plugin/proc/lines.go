package proc

import (
	"bytes"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/weir-media/weir/host/internal/plugin"
)

// Bounds of what is kept of a program's output; chosen.
const (
	lineBytes   = 1024
	tailLines   = 64
	tailBytes   = 8 << 10
	endLines    = 24
	briefLines  = 4
	floodedByte = 1 << 20 // a second, from which on the program has to wait: reading costs weir's time
)

// gate lets a plugin's lines into the host's log, and has a program that writes a flood of them wait. All processes of a generation share one.
type gate struct {
	plugin.Gate

	mu     sync.Mutex
	second int64
	bytes  int // in that second
}

// line prints one line, and says for how long nothing more is to be read.
func (g *gate) line(level slog.Level, text string) (wait time.Duration) {
	g.Line(level, text)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.Now()
	if second := now.Unix(); second != g.second {
		g.second, g.bytes = second, 0
	}
	if g.bytes += len(text) + 1; g.bytes <= floodedByte {
		return 0
	}
	return now.Truncate(time.Second).Add(time.Second).Sub(now)
}

// tail keeps the last lines of a process for the Fault of its death, and the first ones of its end: a runtime that gives up says the cause first
// and then the stacks of all that ran.
type tail struct {
	mu     sync.Mutex
	lines  []string
	last   []string // lines of the end, from its first on
	ending bool
}

// ends are how Go's runtime begins its last words.
var ends = []string{"panic: ", "fatal error: ", "runtime: "}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ending {
		t.ending = slices.ContainsFunc(ends, func(e string) bool { return strings.HasPrefix(line, e) })
	}
	if t.ending && len(t.last) < endLines {
		t.last = append(t.last, line)
		return
	}
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

// text gives the lines, of which some are left out if they are too many.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := strings.Join(t.lines, "\n")
	all = all[max(0, len(all)-tailBytes):]
	return strings.TrimPrefix(strings.Join(append(slices.Clone(t.last), all), "\n"), "\n")
}

// brief gives the lines that are likely to say why: the first of the end, else the last.
func (t *tail) brief() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.last); n > 0 {
		return strings.Join(t.last[:min(n, briefLines)], "\n")
	}
	return strings.Join(t.lines[max(0, len(t.lines)-briefLines):], "\n")
}

// ranOut reports whether the process said that it got no more memory.
func (t *tail) ranOut() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.last, func(line string) bool { return strings.Contains(line, "out of memory") })
}

// speaker takes what a process writes.
type speaker struct {
	gate *gate
	tail *tail
	stop <-chan struct{} // closed: nothing waits any more
}

// writer gives a stream of its own, whose lines stay whole.
func (s *speaker) writer() io.Writer { return &stream{to: s} }

type stream struct {
	to   *speaker
	line []byte
}

// Write belongs to one goroutine: that in which go-plugin reads this stream.
func (s *stream) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		text, rest, whole := bytes.Cut(b, []byte{'\n'})
		s.line = append(s.line, text[:min(len(text), lineBytes-len(s.line))]...)
		if whole {
			s.to.say(s.line)
			s.line = s.line[:0]
		}
		b = rest
	}
	return n, nil
}

func (s *speaker) say(line []byte) {
	if len(line) == 0 {
		return
	}
	text := strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) { // no program moves the operator's cursor
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(line), "\uFFFD"))
	s.tail.add(text)
	level, text := levelOf(text)
	if wait := s.gate.line(level, text); wait > 0 {
		pause := time.NewTimer(wait)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-s.stop:
		}
	}
}

// levelOf reads what sdk/proc puts before a line; other lines are notes.
func levelOf(text string) (slog.Level, string) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if rest, ok := strings.CutPrefix(text, "["+level.String()+"] "); ok {
			return level, rest
		}
	}
	return slog.LevelInfo, text
}
