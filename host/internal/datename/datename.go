// Package datename is about names of files in which letters behind a % stand for the time.
//
// It owns the letters. A pattern and a time come in; a name, what such names look like, or what
// is wrong with the pattern goes out. It never touches a file.
package datename

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Letters lists what may stand behind a %, for people.
const Letters = "%Y, %m, %d, %H, %M or %S, or %% for a percent sign"

// parts are what a letter behind a % stands for: the time's layout, and what it looks like.
var parts = map[byte]struct{ layout, looks string }{
	'Y': {"2006", `\d{4}`}, 'm': {"01", `\d{2}`}, 'd': {"02", `\d{2}`}, 'H': {"15", `\d{2}`}, 'M': {"04", `\d{2}`}, 'S': {"05", `\d{2}`},
}

// Name gives the name that a pattern stands for at a time, UTC.
func Name(pattern string, at time.Time) string {
	return expand(pattern, func(c byte) string { return at.UTC().Format(parts[c].layout) }, func(s string) string { return s })
}

// Looks gives a regular expression for the names that a pattern stands for, without anchors.
func Looks(pattern string) string {
	return expand(pattern, func(c byte) string { return parts[c].looks }, regexp.QuoteMeta)
}

func expand(pattern string, part func(byte) string, literal func(string) string) string {
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] != '%' || i+1 == len(pattern):
			out.WriteString(literal(pattern[i : i+1]))
		case parts[pattern[i+1]].layout == "":
			i++
			out.WriteString(literal(pattern[i : i+1])) // %%
		default:
			i++
			out.WriteString(part(pattern[i]))
		}
	}
	return out.String()
}

// Wrong finds a % that stands for nothing, and says what is there; empty: there is none.
func Wrong(pattern string) string {
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			continue
		}
		if i++; i == len(pattern) {
			return "a % at its end"
		}
		if c := pattern[i]; c != '%' && parts[c].layout == "" {
			return strconv.Quote(pattern[i-1 : i+1])
		}
	}
	return ""
}

// Further gives the name of the nth file that has the same name otherwise, from 2 on:
// "20240501-2.log".
func Further(name string, n int) string {
	if n < 2 {
		return name
	}
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
}
