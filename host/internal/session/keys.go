package session

import (
	"slices"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// keyed is what a session has that others may join by a key (spec.md §8.8).
type keyed struct {
	keys  []string
	keep  time.Duration // how long it stays without a request
	timer uint64        // that ends it then
	last  uint32        // number of the last request's connection
}

const (
	// maxKeep bounds how long a session may stay without a request. Chosen: ten times as
	// long as Windows Media encoders may be silent (wire digest §2.4).
	maxKeep = 10 * time.Minute
	// maxKeys bounds the keys of one plugin, and so the sessions without a request. Chosen:
	// some megabytes.
	maxKeys = 4096
)

// reserveBind takes a key for the session.
func (b *batch) reserveBind(raw abi.Raw) error {
	k, s := &b.rec.rest.bind, b.s
	if err := b.decode(raw, k); err != nil {
		return err
	}
	switch {
	case s.kind != kindExchange || s.view != nil || b.joined != nil:
		return denyf(abi.ESTATE, "BIND_KEY is for a session that a request has opened, without a viewer")
	case len(k.Key) == 0 || len(k.Key) > abi.MaxKey:
		return denyf(abi.EINVAL, "a key of %d bytes; it has 1 to %d", len(k.Key), abi.MaxKey)
	case k.Keep <= 0 || k.Keep > int64(maxKeep):
		return denyf(abi.EINVAL, "a session cannot be kept for %v; more than 0 and at most %v", time.Duration(k.Keep), maxKeep)
	}
	return b.takeKey(string(k.Key))
}

func (b *batch) takeKey(key string) error {
	s, r := b.s, b.s.r
	has := len(b.seen.keys)
	if k := s.links.keyed; k != nil {
		has += len(k.keys)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch other := r.keys[key]; {
	case other == s:
		return nil
	case other != nil:
		return denyf(abi.EBUSY, "another session has this key")
	case has >= abi.MaxKeys:
		return denyf(abi.ELIMIT, "a session may have %d keys", abi.MaxKeys)
	case len(r.keys) >= maxKeys:
		return denyf(abi.ELIMIT, "the sessions of a plugin may have %d keys", maxKeys)
	}
	if r.keys == nil {
		r.keys = map[string]*Session{}
	}
	r.keys[key] = s
	b.seen.keys = append(b.seen.keys, key)
	return nil
}

// commitBind makes the key the session's own.
func (b *batch) commitBind(raw abi.Raw) {
	k := &b.rec.rest.bind
	_ = b.decode(raw, k)
	l, key := b.s.link(), string(k.Key)
	if l.keyed == nil {
		l.keyed = &keyed{last: 1}
	}
	l.keyed.keep = time.Duration(k.Keep)
	if i := slices.Index(b.seen.keys, key); i >= 0 {
		b.seen.keys = slices.Delete(b.seen.keys, i, i+1)
		l.keyed.keys = append(l.keyed.keys, key)
	}
}

// forgetKeys gives keys of a session up.
func (r *Runner) forgetKeys(keys []string) {
	if len(keys) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		delete(r.keys, key)
	}
}

// withKey gives the session that has a key, or nil.
func (r *Runner) withKey(key string) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[key]
}

// reserveJoin finds the session that is joined.
func (b *batch) reserveJoin(raw abi.Raw) error {
	j, s := &b.rec.rest.join, b.s
	if err := b.decode(raw, j); err != nil {
		return err
	}
	_, isRequest := s.cur.event.(*abi.HTTPRequest)
	if len(b.raws) != 1 || !isRequest || !s.asks() || s.links.keyed != nil {
		return denyf(abi.ESTATE, "JOIN_KEY stands alone, and answers the request that has opened a session without keys")
	}
	b.joins = s.r.withKey(string(j.Key))
	if b.joins == nil {
		return denyf(abi.ENOENT, "no session has this key")
	}
	return nil
}

// commitJoin gives the session's request to another session, which may be another
// worker's. Until that has taken it nobody has it, and the session waits: if the request
// comes back it is refused. Worker.
func (b *batch) commitJoin() {
	s, to := b.s, b.joins
	x := s.links.x
	q := *s.cur.event.(*abi.HTTPRequest) // reserveJoin has looked
	s.w.timers.cancel(x.timer)
	s.link().x = nil
	s.inbox.frozen = true
	x.give(to)
	to.w.post(func() {
		if no := to.takeRequest(x, &q); no != nil {
			x.give(s)
			s.w.post(func() { s.takeBack(x, no) })
			return
		}
		s.w.post(func() { s.w.end(s, "joined") })
	})
}

// takeRequest makes a request of another session this one's. Worker.
func (s *Session) takeRequest(x *exchange, q *abi.HTTPRequest) *refusal {
	k := s.links.keyed
	switch {
	case k == nil || s.inbox.over.Load():
		return &refusal{op: abi.OpJoinKey, code: abi.ENOENT, text: "the session with this key has ended"}
	case s.links.x != nil:
		return &refusal{op: abi.OpJoinKey, code: abi.EBUSY, text: "a request of the session with this key is under way"}
	case !s.isFor(x, q):
		return &refusal{op: abi.OpJoinKey, code: abi.EPERM, text: "the session with this key is another user's, or not for this peer (access in plugins.yaml)"}
	}
	s.w.timers.cancel(k.timer)
	for k.last++; s.conn(k.last) != nil; k.last++ { // one that the plugin has dialled
	}
	s.link().x = x
	s.conns = append([]*conn{{number: k.last}}, s.conns...)
	s.peer = x.x.Remote
	s.w.expectAnswer(s, x)
	q.Conn = k.last
	s.enqueue(q)
	x.left = x.gone.Load()
	return nil
}

// takeBack gives the session its request again, which another has not taken. Worker.
func (s *Session) takeBack(x *exchange, no *refusal) {
	if s.inbox.over.Load() {
		x.abandon()
		return
	}
	s.link().x = x
	s.inbox.frozen = false
	s.w.expectAnswer(s, x)
	s.w.refused(s, no, abi.OpHTTPRequest)
	x.left = x.gone.Load()
}

// park has a session with keys, whose request is answered, wait for the next. Worker.
func (w *worker) park(s *Session) {
	l := s.link()
	w.r.forgetBody(l.x)
	w.timers.cancel(l.x.timer)
	l.x = nil
	c := s.conns[0]
	s.conns = slices.Clone(s.conns[1:])
	if c != plain[0] {
		w.timers.cancel(c.greeting)
		c.net = nil // the answer that is under way ends the connection, or it is the HTTP server's again
		c.close(abi.CloseNow)
	}
	l.keyed.timer = w.timers.add(w.r.room.now().Add(l.keyed.keep), func() { w.end(s, "unused") })
}

// isParked reports whether the session has keys and waits for a request.
func (s *Session) isParked() bool { return s.links.keyed != nil && s.links.x == nil }

// unbind lets go of a session's keys. Worker.
func (w *worker) unbind(s *Session) {
	if k := s.links.keyed; k != nil {
		w.timers.cancel(k.timer)
		w.r.forgetKeys(k.keys)
	}
}

// adoptKeys makes an imported session known by the keys that it had elsewhere.
func (r *Runner) adoptKeys(s *Session, x *Exported) {
	if len(x.Keys) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		r.keys = map[string]*Session{}
	}
	k := &keyed{keep: min(max(x.Keep, 1), maxKeep), last: s.conns[0].number}
	for _, b := range x.Keys[:min(len(x.Keys), abi.MaxKeys)] {
		if key := string(b); r.keys[key] == nil {
			r.keys[key] = s
			k.keys = append(k.keys, key)
		}
	}
	s.link().keyed = k
}
