package fallback

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// folder makes a tree to serve, beside a secret.
func folder(t testing.TB) string {
	t.Helper()
	base := t.TempDir()
	for name, text := range map[string]string{
		"secret.txt": "secret", "web/a.txt": "0123456789", "web/.hidden": "secret", "web/.git/config": "secret",
		"web/sub/index.html": "<p>index", "web/list/b & <c>.ts": "ts", "web/list/a.asf": "asf", "web/list/.dot": "", "web/list/x:y": "",
		"web/page.unknownext": "<html>", "web/100%.txt": "percent", "web/list/inner/z": "",
	} {
		full := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	web := filepath.Join(base, "web")
	for link, to := range map[string]string{"out": "../secret.txt", "outdir": "..", "abs": "/etc/passwd", "within": "a.txt", "loop": "loop", "list/out": "../../secret.txt", "list/alias": "a.asf"} {
		if err := os.Symlink(to, filepath.Join(web, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(web, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	return web
}

func serving(t testing.TB, dir string, listing bool) http.Handler {
	t.Helper()
	h, err := Files(dir, listing, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, method, target string, fields ...string) *httptest.ResponseRecorder {
	r := &http.Request{Method: method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Host: "h", Body: http.NoBody}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		u = &url.URL{Path: target}
	}
	r.URL = u
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFilesPaths(t *testing.T) {
	h := serving(t, folder(t), false)
	for target, want := range map[string]int{
		"/a.txt": 200, "/within": 200, "/sub/": 200, "/sub/index.html": 200, "/100%25.txt": 200, "/list/b%20&%20%3Cc%3E.ts": 200,
		"/sub": 301, "/": 404, "/list/": 404, "/none": 404, "/a.txt/": 404, "/a.txt/x": 404, "/sub//index.html": 404, "//sub/": 404, "/sub//": 404,
		"/.hidden": 404, "/.git/config": 404, "/list/.dot": 404, "/out": 404, "/outdir/secret.txt": 404, "/outdir/": 404, "/abs": 404, "/loop": 404, "/pipe": 404,
		"/../secret.txt": 400, "/%2e%2e/secret.txt": 400, "/..%2fsecret.txt": 400, "/sub/../../secret.txt": 400, "/sub/%2e%2e%2f%2e%2e/secret.txt": 400,
		"/..%5csecret.txt": 400, "/a.txt%00": 400, "/a.txt%00.html": 400, "/./a.txt": 400, "/%252e%252e/secret.txt": 404, "/..;/secret.txt": 404, "/%c0%ae%c0%ae/secret.txt": 404,
		"/a%0d%0aX: y": 400, "*": 400, "/" + strings.Repeat("a", 300): 404, "/" + strings.Repeat("a/", 3000): 404,
	} {
		w := get(h, "GET", target)
		if w.Code != want || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%.60s: %d %.80q, want %d", target, w.Code, w.Body, want)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%.60s: no nosniff", target)
		}
	}
}

func TestFilesAnswers(t *testing.T) {
	h := serving(t, folder(t), false)
	w := get(h, "GET", "/a.txt")
	tag := w.Header().Get("ETag")
	if w.Body.String() != "0123456789" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || len(tag) < 4 || w.Header().Get("Accept-Ranges") != "bytes" {
		t.Errorf("%q %v", w.Body, w.Header())
	}
	stamp := w.Header().Get("Last-Modified")
	for _, c := range []struct {
		method, field, value string
		status               int
		body                 string
	}{
		{"GET", "Range", "bytes=2-4", 206, "234"},
		{"GET", "Range", "bytes=-3", 206, "789"},
		{"GET", "Range", "bytes=20-", 416, "invalid range: failed to overlap\n"},
		{"GET", "Range", "lines=1-2", 416, "invalid range\n"},
		{"GET", "If-None-Match", tag, 304, ""},
		{"GET", "If-None-Match", `"other"`, 200, "0123456789"},
		{"GET", "If-Modified-Since", stamp, 304, ""},
		{"GET", "If-Match", `"other"`, 412, ""},
		{"HEAD", "X", "", 200, ""},
		{"HEAD", "Range", "bytes=2-4", 206, ""},
		{"POST", "X", "", 405, "files can only be read\n"},
		{"DELETE", "X", "", 405, "files can only be read\n"},
	} {
		w := get(h, c.method, "/a.txt", c.field, c.value)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s %s %s: %d %q", c.method, c.field, c.value, w.Code, w.Body)
		}
		if allow := w.Header().Get("Allow"); (w.Code == 405) != (allow == "GET, HEAD") {
			t.Errorf("%s: Allow %q", c.method, allow)
		}
	}
	if w := get(h, "GET", "/a.txt", "Range", "bytes=0-1", "If-Range", `"other"`); w.Code != 200 {
		t.Errorf("If-Range of another file: %d", w.Code)
	}
	if w := get(h, "GET", "/sub?q=1"); w.Header().Get("Location") != "./sub/?q=1" {
		t.Errorf("location %q", w.Header().Get("Location"))
	}
	for target, want := range map[string]string{"/list/a.asf": "video/x-ms-asf", "/page.unknownext": "application/octet-stream", "/sub/": "text/html; charset=utf-8"} {
		if got := get(h, "GET", target).Header().Get("Content-Type"); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
}

func TestETagChangesWithTheFile(t *testing.T) {
	dir := folder(t)
	h := serving(t, dir, false)
	before := get(h, "GET", "/a.txt").Header().Get("ETag")
	if err := os.Chtimes(filepath.Join(dir, "a.txt"), time.Time{}, time.Now().Add(time.Nanosecond)); err != nil {
		t.Fatal(err)
	}
	if after := get(h, "GET", "/a.txt").Header().Get("ETag"); after == before {
		t.Error("the same")
	}
}

func TestListing(t *testing.T) {
	h := serving(t, folder(t), true)
	w := get(h, "GET", "/list/")
	body := w.Body.String()
	want := []string{`<a href="../">../</a>`, `<a href="./inner/">inner/</a>`, `<a href="./a.asf">a.asf</a>`, `<a href="./alias">alias</a>`,
		`<a href="./b%20&amp;%20%3Cc%3E.ts">b &amp; &lt;c&gt;.ts</a>`, `<a href="./x:y">x:y</a>`}
	at := 0
	for _, s := range want {
		i := strings.Index(body[at:], s)
		if i < 0 {
			t.Fatalf("%s is not where it should be in %s", s, body)
		}
		at += i
	}
	if strings.Contains(body, ".dot") || strings.Contains(body, "out") || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%s %v", body, w.Header())
	}
	if root := get(h, "GET", "/").Body.String(); strings.Contains(root, "../") || strings.Contains(root, "pipe") || strings.Contains(root, ".git") {
		t.Error(root)
	}
	if w := get(h, "HEAD", "/list/"); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
	if w := get(h, "GET", "/sub/"); !strings.Contains(w.Body.String(), "<p>index") {
		t.Errorf("index.html is listed: %s", w.Body)
	}
}

func TestFilesErrors(t *testing.T) {
	if _, err := Files(filepath.Join(t.TempDir(), "none"), false, nil); err == nil || !strings.HasSuffix(err.Error(), "none: no such file or directory") {
		t.Error(err)
	}
	if _, err := Files(filepath.Join(folder(t), "a.txt"), false, nil); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Error(err)
	}
}

// FuzzFilesPath: no path gives out what is not below the folder, or hidden in it.
func FuzzFilesPath(f *testing.F) {
	for _, s := range []string{"/a.txt", "/../secret.txt", "/sub/..%2f..", "/outdir/secret.txt", "/.git/config", "/abs", "//x", "/pipe", "/\\..\\secret.txt", "/sub/\x00"} {
		f.Add(s)
	}
	web := folder(f)
	h := serving(f, web, true)
	f.Fuzz(func(t *testing.T, p string) {
		for _, r := range []*http.Request{{Method: "GET", URL: &url.URL{Path: p}, Header: http.Header{}}} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			b, _ := io.ReadAll(w.Body)
			if strings.Contains(string(b), "secret") && !strings.Contains(p, "secret") || w.Code == 500 || strings.Contains(string(b), "root:") {
				t.Fatalf("%q: %d %q", p, w.Code, b)
			}
			if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "./") {
				t.Fatalf("%q leads to %q", p, to)
			}
		}
	})
}
