package fallback

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
)

// mostListed bounds the entries of a folder that are looked at: chosen.
const mostListed = 10_000

// list writes what can be downloaded from a folder, sorted by name, folders first.
func (f *files) list(w http.ResponseWriter, r *http.Request, name string, dir *os.File) error {
	entries, err := dir.ReadDir(mostListed + 1)
	if err != nil && err != io.EOF {
		return err
	}
	cut := len(entries) > mostListed
	if cut {
		entries = entries[:mostListed]
	}
	shown := f.visible(name, entries)
	var b strings.Builder
	title := html.EscapeString(r.URL.Path)
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>%s</title></head><body>\n<h1>%s</h1>\n<table>\n", title, title)
	if name != "." {
		b.WriteString("<tr><td><a href=\"../\">../</a></td></tr>\n")
	}
	for _, st := range shown {
		text, size := st.Name(), fmt.Sprint(st.Size())
		if st.IsDir() {
			text, size = text+"/", ""
		}
		link := "./" + url.PathEscape(st.Name())
		if st.IsDir() {
			link += "/"
		}
		fmt.Fprintf(&b, "<tr><td><a href=\"%s\">%s</a></td><td align=\"right\">%s</td><td>%s</td></tr>\n",
			html.EscapeString(link), html.EscapeString(text), size, st.ModTime().UTC().Format("2006-01-02 15:04"))
	}
	b.WriteString("</table>\n")
	if cut {
		fmt.Fprintf(&b, "<p>Only the first %d entries.</p>\n", mostListed)
	}
	b.WriteString("</body></html>\n")
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", fmt.Sprint(b.Len()))
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Cache-Control", "no-cache")
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, b.String())
	}
	return nil
}

// visible are the regular files and folders among entries, also by links that stay within
// the root.
func (f *files) visible(name string, entries []fs.DirEntry) []fs.FileInfo {
	var shown []fs.FileInfo
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if _, status := nameOf("/" + e.Name()); status != http.StatusOK {
			continue // a name that no path can ask for
		}
		st, err := f.root.Stat(path.Join(name, e.Name()))
		if err != nil || !st.Mode().IsRegular() && !st.IsDir() {
			continue
		}
		shown = append(shown, named{st, e.Name()})
	}
	slices.SortFunc(shown, func(a, b fs.FileInfo) int {
		if a.IsDir() != b.IsDir() {
			if a.IsDir() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name(), b.Name())
	})
	return shown
}

// named is a file under the name of the link to it.
type named struct {
	fs.FileInfo
	name string
}

// Name is the entry's.
func (n named) Name() string { return n.name }
