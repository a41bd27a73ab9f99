package session

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// documentAnswer is an announcement, or why there is none.
type documentAnswer struct {
	Type   string
	MaxAge time.Duration
	Body   []byte
	Err    error
}

// Announcement has a plugin write a document about a point, for a client that asked
// for authority on a listener (both may be empty).
func (room *Room) Announcement(format, name, authority, listener string) (mediaType string, body []byte, err error) {
	p := room.point(name)
	if p == nil {
		return "", nil, fmt.Errorf("announce %s: there is no point %q", format, name)
	}
	return room.Write(format, p, func(to *abi.DocumentRequest) { room.options.Describe(p, authority, listener, to) })
}

// ErrNoAnnouncer is why there is no document of a format that no running plugin writes.
var ErrNoAnnouncer = errors.New("no running plugin writes it that is granted documents")

// Write has a plugin write a document about a point, whatever serves it. describe adds to
// the request what Options.Describe does for others.
func (room *Room) Write(format string, p *point.Point, describe func(to *abi.DocumentRequest)) (mediaType string, body []byte, err error) {
	r := room.announcer(format)
	if r == nil {
		return "", nil, fmt.Errorf("announce %s: %w; known formats: %s", format, ErrNoAnnouncer, strings.Join(room.formats(), ", "))
	}
	a := r.announce(format, p, network{}, describe)
	return a.Type, a.Body, a.Err
}

// IsNoDocument tells whether an error of Write says that there is no such document, and not
// that its writer did not answer this time.
func IsNoDocument(err error) bool {
	no, ok := errors.AsType[*denied](err)
	return errors.Is(err, ErrNoAnnouncer) || ok && no.code == abi.ENOENT
}

func (room *Room) announcer(format string) *Runner {
	for _, r := range room.Runners() {
		if g := r.Generation(); g != nil && r.State().Works() && r.grant.Load().Documents {
			for _, d := range g.Manifest().Documents {
				if d.Format == format {
					return r
				}
			}
		}
	}
	return nil
}

func (room *Room) formats() []string {
	var all []string
	for _, r := range room.Runners() {
		if g := r.Generation(); g != nil {
			for _, d := range g.Manifest().Documents {
				all = append(all, d.Format)
			}
		}
	}
	return all
}

// announce asks the plugin in a session of its own, for a client of that network, and
// waits for the answer.
func (r *Runner) announce(format string, p *point.Point, client network, describe func(to *abi.DocumentRequest)) documentAnswer {
	s := r.newSession(kindDocument, format)
	s.on, s.link().network = p.Name(), client
	answered := make(chan documentAnswer, 1)
	s.link().answer = func(a documentAnswer) { answered <- a }
	e := &abi.DocumentRequest{Format: []byte(format), Point: summarize(p, p.Name(), true, r.room.now())}
	describe(e)
	s.w.add(s)
	s.enqueue(e)
	select {
	case a := <-answered:
		return a
	case <-s.w.done:
		return documentAnswer{Err: errors.New("the server is closing")}
	}
}

// serveDocument answers GET and HEAD of an announcement, with caching.
func (f *Front) serveDocument(x *netio.Exchange, r *Runner, m manifest.Match) {
	p := f.room.point(m.Point)
	if p == nil {
		respond(x, r.textAnswer(http.StatusNotFound, fmt.Sprintf("there is no point %q on this server", m.Point)))
		return
	}
	if !r.grant.Load().Documents {
		respond(x, r.textAnswer(http.StatusForbidden, "documents are not granted to plugin "+r.name+" in plugins.yaml (grant: documents)"))
		return
	}
	a := r.announce(m.Document, p, networkOf(x.Remote.Addr()), func(to *abi.DocumentRequest) { f.room.options.Describe(p, x.Request.Host, x.Listener, to) })
	if a.Err != nil {
		status := http.StatusServiceUnavailable
		no, ok := errors.AsType[*denied](a.Err)
		if ok && no.code == abi.ECLOSED { // the plugin did not answer
			respond(x, excuse{text: a.Err.Error()}.answer(r.words()))
			return
		}
		if ok && no.code == abi.ENOENT {
			status = http.StatusNotFound
		}
		respond(x, r.textAnswer(status, a.Err.Error()))
		return
	}
	sum := sha256.Sum256(a.Body)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	h := http.Header{"Content-Type": {a.Type}, "Etag": {etag}, "Cache-Control": {fmt.Sprintf("max-age=%d", int(a.MaxAge.Seconds()))}}
	if a.MaxAge == 0 {
		h.Set("Cache-Control", "no-cache")
	}
	if x.Request.Header.Get("If-None-Match") == etag {
		_ = x.Respond(http.StatusNotModified, h, nil, false)
		return
	}
	_ = x.Respond(http.StatusOK, h, [][]byte{a.Body}, false)
}
