package wasm

import (
	"bytes"
	"log/slog"
	"strings"
)

// Bounds of what is kept of one call's log; chosen. A Go guest's panic says its cause first and then the stacks of all goroutines, some 60 lines.
const (
	journalLines = 64
	journalFirst = 16   // of them are the call's first lines, the others its last
	journalLine  = 1024 // bytes
)

// journal keeps the first and the last lines that a guest logged during a call, until the call's end decides where they go: into the host's log, or
// into the Fault and nowhere else. It allocates only while it fills for the first time.
type journal struct {
	kept    [][]byte
	levels  []slog.Level
	count   int // lines of this call
	partial []byte
}

// slot is where the line with that number is kept: the first lines where they are, the others in a ring behind them.
func slot(number int) int {
	if number < journalLines {
		return number
	}
	return journalFirst + (number-journalFirst)%(journalLines-journalFirst)
}

// slogLevel takes the level of weir_1.log, whose numbers are slog's (abi/v1/spec.md 2.2), down to the next named one.
func slogLevel(level int32) slog.Level {
	for _, named := range []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo} {
		if level >= int32(named) {
			return named
		}
	}
	return slog.LevelDebug
}

// line adds one line. Line ends inside it become blanks.
func (j *journal) line(level slog.Level, text []byte) {
	text = text[:min(len(text), journalLine)]
	at := slot(j.count)
	if at == len(j.kept) {
		j.kept, j.levels = append(j.kept, nil), append(j.levels, 0)
	}
	line := append(j.kept[at][:0], text...)
	for i, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f { // no guest moves the operator's cursor
			line[i] = ' '
		}
	}
	j.kept[at], j.levels[at] = line, level
	j.count++
}

// stream adds bytes written to the guest's standard output or error: a line at each line end.
func (j *journal) stream(b []byte) {
	for len(b) > 0 {
		text, rest, whole := bytes.Cut(b, []byte{'\n'})
		j.partial = append(j.partial, text[:min(len(text), journalLine-len(j.partial))]...)
		if whole {
			j.endLine()
		}
		b = rest
	}
}

func (j *journal) endLine() {
	if len(j.partial) > 0 {
		j.line(slog.LevelInfo, j.partial)
		j.partial = j.partial[:0]
	}
}

// each gives the kept lines in their order and empties the journal. dropped lines are missing behind the first journalFirst.
func (j *journal) each(yield func(level slog.Level, text string)) (dropped int) {
	j.endLine()
	dropped = max(0, j.count-journalLines)
	for i := 0; i < j.count; i++ {
		if i == journalFirst {
			i += dropped
		}
		at := slot(i)
		yield(j.levels[at], strings.ToValidUTF8(string(j.kept[at]), "\uFFFD"))
	}
	j.count = 0
	return dropped
}

// tail gives the kept lines as the text of a Fault and empties the journal.
func (j *journal) tail() string {
	var b strings.Builder
	j.each(func(level slog.Level, text string) {
		b.WriteString(level.String() + " " + text + "\n")
	})
	return b.String()
}

func (j *journal) empty() bool { return j.count == 0 && len(j.partial) == 0 }
