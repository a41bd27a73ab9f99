package manifest

import (
	"fmt"
	"strings"
)

// File is the name under which problems are reported.
const File = "plugin.yaml"

// Problem is one thing wrong with a manifest.
type Problem struct {
	Line int    // 0: unknown, as for a Manifest that was not parsed
	Key  string // "listens.http[0].path"; empty for the file as a whole
	Text string // what is wrong; how to mend it
}

// Error writes "plugin.yaml:LINE: key: what is wrong; how to mend it".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Text)
	return b.String()
}

// Problems is all that is wrong with a manifest, in the order of its lines. It is never empty where it is returned as an error.
type Problems []Problem

// Error writes one problem on each line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func (ps *Problems) add(key, format string, args ...any) {
	*ps = append(*ps, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}
