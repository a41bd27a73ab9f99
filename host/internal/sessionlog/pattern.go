package sessionlog

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// parts are what a letter behind a % stands for: the time's layout, and what it looks like.
var parts = map[byte]struct{ layout, looks string }{
	'Y': {"2006", `\d{4}`}, 'm': {"01", `\d{2}`}, 'd': {"02", `\d{2}`}, 'H': {"15", `\d{2}`}, 'M': {"04", `\d{2}`}, 'S': {"05", `\d{2}`},
}

// named gives the name that a pattern stands for at a time, UTC.
func named(pattern string, at time.Time) string {
	return expand(pattern, func(c byte) string { return at.UTC().Format(parts[c].layout) }, func(s string) string { return s })
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

// further gives the name of the nth file that has the same name otherwise, from 2 on:
// "20240501-2.log".
func further(name string, n int) string {
	if n < 2 {
		return name
	}
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
}

// files lists what a pattern has named in its folder, the oldest first: by the times in the
// names, then by their numbers.
func files(path string) []string {
	dir, pattern := filepath.Split(path)
	ext := filepath.Ext(pattern)
	stem := expand(strings.TrimSuffix(pattern, ext), func(c byte) string { return parts[c].looks }, regexp.QuoteMeta)
	looks, err := regexp.Compile(`^(` + stem + `)(-\d+)?` + regexp.QuoteMeta(ext) + `$`)
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		if e.Type().IsRegular() && looks.MatchString(e.Name()) {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	order := func(path string) (age time.Time, name string) {
		if st, err := os.Stat(path); err == nil {
			age = st.ModTime()
		}
		return age, path
	}
	slices.SortFunc(all, func(a, b string) int {
		x, nameX := order(a)
		y, nameY := order(b)
		if c := x.Compare(y); c != 0 {
			return c
		}
		if len(nameX) != len(nameY) {
			return len(nameX) - len(nameY)
		}
		return strings.Compare(nameX, nameY)
	})
	return all
}
