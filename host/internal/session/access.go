package session

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
)

const (
	// maxLogin bounds what LOGIN brings, in bytes (spec.md 6.25).
	maxLogin = 8 << 10
	// loginTime bounds how long a login is judged (chosen: a queue of slow hashes).
	loginTime = 10 * time.Second
)

// takeCredentials takes what only the host may see out of a request, and gives the values of Authorization. weir is nobody's proxy: what is meant
// for one is thrown away.
func takeCredentials(x *netio.Exchange) []string {
	h := x.Request.Header
	values := h["Authorization"]
	if values != nil {
		delete(h, "Authorization")
	}
	delete(h, "Proxy-Authorization")
	return values
}

// admit judges a request by the access rules before its plugin hears of it. It answers
// one that may not be, and is then not ok; else it gives who has logged in.
func (f *Front) admit(x *netio.Exchange, r *Runner, m manifest.Match) (user string, ok bool) {
	credentials := takeCredentials(x)
	if m.Point == "" {
		return "", true // what the plugin then does is judged at ATTACH and PUBLISH
	}
	q := x.Request
	j := f.room.options.Access.Judge(q.Context(), access.Request{Action: actionOf(r.saysOfItself(), m, q.Method), Point: m.Point, From: x.Remote.Addr(),
		Method: q.Method, URI: q.RequestURI, Authorization: credentials})
	if j.Answer == access.Admitted {
		return j.User, true
	}
	respond(x, refusalOf(x, j, r.words()))
	return "", false
}

// actionOf tells what a request is for (spec.md 8.9).
func actionOf(of *manifest.Manifest, m manifest.Match, method string) access.Action {
	if m.Document != "" || of == nil || !of.Asks(manifest.CapPublish) {
		return access.Play
	}
	if of.Asks(manifest.CapAttach) && (method == http.MethodGet || method == http.MethodHead) {
		return access.Play
	}
	return access.Publish
}

// refusalOf is the answer to a request that may not be.
func refusalOf(x *netio.Exchange, j access.Judgement, m manifest.Refusal) answer {
	status := http.StatusForbidden
	switch j.Answer {
	case access.NoLogin, access.Wrong:
		status = http.StatusUnauthorized
	case access.Throttled:
		status = http.StatusTooManyRequests
	case access.Busy:
		status = http.StatusServiceUnavailable
	}
	a := textAnswer(status, j.Text)
	a.header.Set("Cache-Control", "no-store")
	callItself(a.header, m)
	if len(j.Challenges) > 0 {
		a.header["Www-Authenticate"] = j.Challenges
	}
	if j.Wait > 0 {
		a.header.Set("Retry-After", strconv.Itoa(int((j.Wait+time.Second-1)/time.Second)))
	}
	if x.BodyKind() == netio.BodyNone {
		a.flags = 0 // the next request may come on the same connection
	}
	return a
}

// admits judges what a plugin has its peer do at a point, whatever it was told before. A
// session that no peer has opened is the operator's own.
func (b *batch) admits(a access.Action, point string) error {
	s := b.s
	if !s.peer.IsValid() || s.kind != kindExchange && s.kind != kindRaw {
		return nil
	}
	switch s.r.room.options.Access.Admits(a, point, s.peer.Addr(), s.links.user) {
	case access.Admitted:
		return nil
	case access.NoLogin:
		return denyf(abi.EAUTH, "point %q is for users who have logged in (access in plugins.yaml)", point)
	}
	return denyf(abi.EPERM, "point %q is not for this peer (access in plugins.yaml)", point)
}

// admitsAny judges a peer that may be about to play or to publish: either is enough.
func (b *batch) admitsAny(point string) error {
	s := b.s
	if s.r.room.options.Access.Policy().Admits(access.Publish, point, s.peer.Addr(), s.links.user) == access.Admitted {
		return nil
	}
	return b.admits(access.Play, point)
}

// isFor tells whether a request of its peer's next connection may go on with a session: one
// of the same user, from where the point that it feeds may be fed. Worker.
func (s *Session) isFor(x *exchange, q *abi.HTTPRequest) bool {
	user := string(q.User)
	if s.links.child == nil {
		return s.links.user == user
	}
	return s.links.user == user && s.r.room.options.Access.Admits(access.Publish, s.on, x.x.Remote.Addr(), user) == access.Admitted
}

// loginActions are what LOGIN may be for.
var loginActions = map[abi.LoginFor]access.Action{abi.LoginPlay: access.Play, abi.LoginPublish: access.Publish}

func (b *batch) reserveLogin(raw abi.Raw) error {
	l, s := &b.rec.rest.login, b.s
	if err := b.decode(raw, l); err != nil {
		return err
	}
	_, isKnown := loginActions[l.For]
	switch {
	case !isKnown:
		return denyf(abi.EINVAL, "LOGIN for %d", l.For)
	case len(l.Point)+len(l.Method)+len(l.URI)+len(l.Authorization) > maxLogin:
		return denyf(abi.ETOOBIG, "LOGIN brings more than %d bytes", maxLogin)
	case s.kind != kindRaw || len(s.conns) == 0 || s.conns[0].flow != nil || !s.peer.IsValid():
		return denyf(abi.ESTATE, "this session's peer cannot log in by LOGIN")
	case s.links.loggingIn || b.seen.login:
		return denyf(abi.ESTATE, "the session logs in already")
	}
	b.seen.login = true
	return nil
}

// commitLogin judges aside, since that may take a while; LOGGED tells the outcome.
func (b *batch) commitLogin(raw abi.Raw) {
	l, s := &b.rec.rest.login, b.s
	_ = b.decode(raw, l)
	q := access.Request{Action: loginActions[l.For], Point: string(l.Point), From: s.peer.Addr(), Method: string(l.Method), URI: string(l.URI), Old: true}
	if len(l.Authorization) > 0 {
		q.Authorization = []string{string(l.Authorization)}
	}
	s.link().loggingIn = true
	room := s.r.room
	room.readers.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), loginTime)
		defer cancel()
		j := room.options.Access.Judge(ctx, q)
		s.w.post(func() {
			if s.inbox.over.Load() {
				return
			}
			to := s.link()
			to.loggingIn = false
			if j.Answer == access.Admitted {
				to.user = j.User
			}
			s.enqueue(logged(j))
		})
	})
}

// logged is the event that tells of a judgement.
func logged(j access.Judgement) *abi.Logged {
	e := &abi.Logged{Head: abi.Head{Conn: 1}, User: []byte(j.User), Text: []byte(j.Text)}
	switch j.Answer {
	case access.Admitted:
		return e
	case access.NoLogin, access.Wrong:
		e.Code = abi.EAUTH
	case access.Throttled, access.Busy:
		e.Code = abi.EAGAIN
		e.Text = fmt.Appendf(nil, "%s; try again in %v", j.Text, j.Wait.Round(time.Second))
	default:
		e.Code = abi.EPERM
	}
	for _, c := range j.Challenges {
		e.Fields.Add([]byte("WWW-Authenticate"), []byte(c))
	}
	return e
}
