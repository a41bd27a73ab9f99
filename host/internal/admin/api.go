package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxReason is how many bytes of the reason for disabling a plugin, or stopping a point, are taken. Chosen.
const maxReason = 200

// NewHandler serves the whole API, without asking who is there; metrics may be nil. It is safe for concurrent use.
func NewHandler(b Backend, metrics http.Handler) http.Handler {
	a := &api{b}
	mux := http.NewServeMux()
	a.health(mux, metrics)
	get(mux, "/v1/status", func(*http.Request) (any, error) { return b.Status(), nil })
	get(mux, "/v1/listeners", func(*http.Request) (any, error) { return list(b.Status().Listeners), nil })
	get(mux, "/v1/plugins", func(*http.Request) (any, error) { return list(b.Status().Plugins), nil })
	get(mux, "/v1/points", func(*http.Request) (any, error) { return list(b.Status().Points), nil })
	get(mux, "/v1/ports", func(*http.Request) (any, error) { return list(b.Ports()), nil })
	get(mux, "/v1/sessions", a.sessions)
	mux.HandleFunc("/v1/announce/{format}", allow(http.MethodGet, a.announce))
	mux.HandleFunc("/v1/events", allow(http.MethodGet, a.events))
	mux.HandleFunc("/v1/points/{name}/{action}", allow(http.MethodPost, a.point))
	mux.HandleFunc("/v1/plugins/{name}/record", a.record)
	mux.HandleFunc("/v1/plugins/{name}/{action}", allow(http.MethodPost, a.plugin))
	a.faults(mux)
	a.config(mux)
	mux.HandleFunc("/", unknownPath)
	return mux
}

// NewMonitor serves what monitoring needs and nothing else: /metrics, /healthz and /readyz.
func NewMonitor(b Backend, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	(&api{b}).health(mux, metrics)
	mux.HandleFunc("/", unknownPath)
	return mux
}

type api struct{ backend Backend }

func (a *api) health(mux *http.ServeMux, metrics http.Handler) {
	if metrics != nil {
		mux.HandleFunc("/metrics", allow(http.MethodGet, metrics.ServeHTTP))
	}
	mux.HandleFunc("/healthz", allow(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") }))
	mux.HandleFunc("/readyz", allow(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		if err := a.backend.Ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		writeText(w, http.StatusOK, "ready")
	}))
}

func (a *api) sessions(r *http.Request) (any, error) {
	point := r.URL.Query().Get("point")
	if point != "" {
		points := a.backend.Status().Points
		if !slices.ContainsFunc(points, func(p Point) bool { return p.Name == point }) {
			return nil, fmt.Errorf("point %q: %w", point, ErrNotFound)
		}
	}
	return list(a.backend.Sessions(point)), nil
}

func (a *api) announce(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("point") == "" {
		writeError(w, http.StatusBadRequest, errors.New("announce: which point? add ?point=NAME"))
		return
	}
	mediaType, body, err := a.backend.Announce(q.Get("point"), r.PathValue("format"), q.Get("authority"))
	if err != nil {
		writeError(w, statusOf(err, http.StatusServiceUnavailable), err)
		return
	}
	// Documents hold what encoders and configuration say; a browser shall show them, not run them.
	w.Header().Set("Content-Security-Policy", "sandbox")
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(body) // the client is gone; there is nobody to tell
}

func (a *api) plugin(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	var done any
	var err error
	switch r.PathValue("action") {
	case "enable":
		err = a.backend.EnablePlugin(name)
	case "disable":
		err = a.backend.DisablePlugin(name, reason(r, "disabled by the admin API"))
	case "reload":
		done, err = a.backend.ReloadPlugin(name, r.URL.Query().Get("force") == "true")
	default:
		unknownPath(w, r)
		return
	}
	if err != nil {
		writeError(w, statusOf(err, http.StatusConflict), err)
		return
	}
	if done == nil {
		all := a.backend.Status().Plugins
		i := slices.IndexFunc(all, func(p Plugin) bool { return p.Name == name })
		if i < 0 {
			writeError(w, http.StatusNotFound, fmt.Errorf("plugin %q: %w", name, ErrNotFound))
			return
		}
		done = all[i]
	}
	writeJSON(w, http.StatusOK, done)
}

// reason is one line for the status, never empty.
func reason(r *http.Request, absent string) string {
	text := strings.Join(strings.Fields(r.URL.Query().Get("reason")), " ")
	if text == "" {
		return absent
	}
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}

// get registers a path that answers GET and HEAD with JSON.
func get(mux *http.ServeMux, path string, f func(*http.Request) (any, error)) {
	mux.HandleFunc(path, allow(http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			writeError(w, statusOf(err, http.StatusInternalServerError), err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}))
}

// allow lets one method through, HEAD with GET.
func allow(method string, f http.HandlerFunc) http.HandlerFunc {
	allowed := method
	if method == http.MethodGet {
		allowed = "GET, HEAD"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
			w.Header().Set("Allow", allowed)
			writeError(w, http.StatusMethodNotAllowed, fmt.Errorf("%s takes %s, not %s", r.URL.Path, allowed, r.Method))
			return
		}
		f(w, r)
	}
}

func unknownPath(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, fmt.Errorf("there is no %s here", r.URL.Path))
}

func statusOf(err error, other int) int {
	if errors.Is(err, ErrNotFound) {
		return http.StatusNotFound
	}
	return other
}

// problem is the body of every answer that is an error.
type problem struct {
	Error string `json:"error"`
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, problem{err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// list makes an empty list of none, so that JSON says [] and not null.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
