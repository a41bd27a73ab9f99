package sessionlog

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weir-media/weir/host/internal/datename"
)

// files lists what a pattern has named in its folder, the oldest first: by the times in the
// names, then by their numbers.
func files(path string) []string {
	dir, pattern := filepath.Split(path)
	ext := filepath.Ext(pattern)
	stem := datename.Looks(strings.TrimSuffix(pattern, ext))
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
