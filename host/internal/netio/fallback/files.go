package fallback

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// index is the file that stands for its folder.
const index = "index.html"

// files serves a folder.
type files struct {
	root    *os.Root
	listing bool
	log     *slog.Logger
}

// Files serves the folder dir for download: GET and HEAD, ranges, conditional requests by
// a strong ETag or the time of change, and index.html for folders. With listing, a folder
// without one is listed. What begins with a dot is hidden, and nothing outside of dir can
// be reached, by symbolic links neither; only regular files are given out.
//
// The handler keeps dir open until it is collected, and goes on with the same folder if
// that is renamed. log may be nil. The handler's method Takes tells which methods are
// not refused.
func Files(dir string, listing bool, log *slog.Logger) (http.Handler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		var at *os.PathError // its text would name the folder again
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, fmt.Errorf("fallback folder %s: %w", dir, err)
	}
	return &files{root: root, listing: listing, log: or(log)}, nil
}

func or(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// Takes tells whether requests of this method can be answered.
func (f *files) Takes(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// ServeHTTP gives out the file that the path names.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !f.Takes(r.Method) {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "files can only be read")
		return
	}
	name, status := nameOf(r.URL.Path)
	if status != http.StatusOK {
		refuse(w, status, "this path names no file")
		return
	}
	if err := f.serve(w, r, name); err != nil {
		f.fail(w, r, err)
	}
}

// nameOf makes a name below the root of a decoded request path. Whatever a path means on
// other systems, or to other servers, is refused: each file has one path.
func nameOf(p string) (name string, status int) {
	if !strings.HasPrefix(p, "/") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7F || r == '\\' }) {
		return "", http.StatusBadRequest
	}
	name = strings.Trim(p[1:], "/")
	if strings.HasSuffix(p, "//") || strings.HasPrefix(p, "//") {
		return "", http.StatusNotFound
	}
	if name == "" {
		return ".", http.StatusOK
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "." || part == "..":
			return "", http.StatusBadRequest
		case part == "" || part[0] == '.':
			return "", http.StatusNotFound
		}
	}
	return name, http.StatusOK
}

// errHidden is a file that is there and not given out.
var errHidden = errors.New("neither a regular file nor a folder")

// open opens a regular file or a folder. The first look keeps devices and pipes from
// being opened at all, the second tells what was opened.
func (f *files) open(name string) (*os.File, fs.FileInfo, error) {
	before, err := f.root.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !before.Mode().IsRegular() && !before.IsDir() {
		return nil, nil, errHidden
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		err = errHidden
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, st, nil
}

func (f *files) serve(w http.ResponseWriter, r *http.Request, name string) error {
	file, st, err := f.open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	slash := strings.HasSuffix(r.URL.Path, "/")
	switch {
	case !st.IsDir() && slash:
		return fs.ErrNotExist
	case !st.IsDir():
		f.give(w, r, file, st)
		return nil
	case !slash:
		moved(w, r, path.Base(name))
		return nil
	}
	within, st, err := f.open(path.Join(name, index))
	if err == nil {
		defer within.Close()
		if !st.IsDir() {
			f.give(w, r, within, st)
			return nil
		}
	}
	if !f.listing {
		return fs.ErrNotExist
	}
	return f.list(w, r, name, file)
}

// moved sends the client from a folder to the same with a slash, by a relative address
// that cannot lead to another host.
func moved(w http.ResponseWriter, r *http.Request, base string) {
	to := "./" + url.PathEscape(base) + "/"
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", to)
	refuse(w, http.StatusMovedPermanently, "this is a folder")
}

// give serves a file. Its validator changes with its time in nanoseconds or its length.
func (f *files) give(w http.ResponseWriter, r *http.Request, file *os.File, st fs.FileInfo) {
	h := w.Header()
	h.Set("Content-Type", typeOf(st.Name()))
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, st.ModTime().UnixNano(), st.Size()))
	http.ServeContent(w, r, st.Name(), st.ModTime(), file)
}

// mediaTypes are those of streaming, which the system's tables often miss.
var mediaTypes = map[string]string{
	".asf": "video/x-ms-asf", ".asx": "video/x-ms-asf", ".wmv": "video/x-ms-wmv", ".wma": "audio/x-ms-wma", ".wax": "audio/x-ms-wax",
	".wvx": "video/x-ms-wvx", ".nsc": "application/x-ms-nsc", ".ts": "video/mp2t", ".m3u": "audio/x-mpegurl", ".m3u8": "application/vnd.apple.mpegurl",
	".sdp": "application/sdp", ".mp4": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
	".txt": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8",
}

// typeOf tells a file's type by its name alone: what a stranger may upload as data must
// not become a page by its content.
func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := mediaTypes[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// notThere are the errors that mean that a path names nothing, or nothing to be shown.
var notThere = []error{fs.ErrNotExist, errHidden, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL}

func (f *files) fail(w http.ResponseWriter, r *http.Request, err error) {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case slices.ContainsFunc(notThere, is), escapes(err):
		refuse(w, http.StatusNotFound, "no such file")
	case is(fs.ErrPermission):
		refuse(w, http.StatusForbidden, "this file may not be read")
	default:
		f.log.Warn("file not served", "path", r.URL.Path, "error", err)
		refuse(w, http.StatusInternalServerError, "the file cannot be read at present")
	}
}

// escapes tells the error for a path that leaves the root, which package os does not
// export.
func escapes(err error) bool {
	var at *os.PathError
	return errors.As(err, &at) && at.Err.Error() == "path escapes from parent"
}

// refuse answers with a short text.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
