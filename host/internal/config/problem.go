package config

import (
	"fmt"
	"slices"
	"strings"
)

// separator joins keys inside this package and in koanf: a point's name may hold dots, but no control character.
const separator = "\x1f"

// Problem is one thing wrong with a configuration.
type Problem struct {
	File     string
	Line     int    // 0: unknown
	Variable string // the environment variable that set the value; then File and Line are beside the point
	Key      string // "points.live.buffer"; empty for the file as a whole
	Text     string // what is wrong; how to mend it
}

// Error writes "FILE:LINE: key: what is wrong; how to mend it", with the variable's name in place of FILE:LINE where it set the value.
func (p Problem) Error() string {
	var b strings.Builder
	switch {
	case p.Variable != "":
		b.WriteString("environment " + p.Variable)
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d", p.File, p.Line)
	default:
		b.WriteString(p.File)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Text)
	return b.String()
}

// Problems is all that is wrong with a configuration, in the order of its lines. It is never empty where it is returned as an error.
type Problems []Problem

// Error writes one problem on each line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int { return a.Line - b.Line })
}

// origins tells where a value came from; keys are joined by separator.
type origins struct {
	lines     map[string]int
	variables map[string]string
	tree      map[string]any // the values themselves
	hash      string         // of the file's text
}

// problem looks up the key's own line, or that of the nearest key above it.
func (o origins) problem(file string, key []string, text string) Problem {
	p := Problem{File: file, Key: display(key), Text: text}
	for n := len(key); n > 0; n-- {
		at := strings.Join(key[:n], separator)
		if v, ok := o.variables[at]; ok {
			p.Variable = v
			return p
		}
		if line, ok := o.lines[at]; ok {
			p.Line = line
			return p
		}
	}
	return p
}

// display writes a key for a person; a name that would be unclear between dots stands in quotes.
func display(key []string) string {
	parts := make([]string, len(key))
	for i, k := range key {
		if k == "" || strings.ContainsAny(k, ". \"") || strings.ContainsFunc(k, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			k = fmt.Sprintf("%q", k)
		}
		parts[i] = k
	}
	return strings.Join(parts, ".")
}
