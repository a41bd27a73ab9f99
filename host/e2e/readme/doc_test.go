// Package readme_test does what README.md tells its reader, in the reader's order, in a copy of the tree: each block of commands, and the root
// plugins.yaml. The comment at the end of README.md says what each kind of block is. A kind that is not known here fails the test, and so does one that
// the page has lost.
package readme_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
)

// block is a fenced part of the page: "```sh run".
type block struct {
	language, kind string
	text           string
	line           int
}

// lines gives the commands of a block, one on each line.
func (b block) lines() []string { return strings.Split(strings.TrimSpace(b.text), "\n") }

func readBlocks(t *testing.T) []block {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(child.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	open := false
	number := 0
	for line := range strings.Lines(string(page)) {
		number++
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open:
			open = false
		case isFence:
			language, kind, _ := strings.Cut(strings.TrimSpace(fence), " ")
			all, open = append(all, block{language: language, kind: kind, line: number}), true
		case open:
			all[len(all)-1].text += line
		}
	}
	if open {
		t.Fatalf("README.md:%d: the block does not end", all[len(all)-1].line)
	}
	return all
}
