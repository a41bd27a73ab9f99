package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// A player's request that brings credentials is handed to the host first, and goes on once
// that has taken them. One without goes on at once: if the host then wants a login (EAUTH),
// it is asked what to send, and the player comes again. Nothing of it is kept.

// login hands over the credentials of the pending request. Not ok: it has none.
func (s *state) login(q *call, v *sdk.Verdicts) (ok bool) {
	value, ok := q.Get("Authorization")
	if ok {
		v.Login(abi.Login{Point: s.point, For: abi.LoginPlay, Method: q.Method, URI: q.URI, Authorization: value[:min(len(value), maxAuthorization)]})
	}
	return ok
}

// challenge asks the host what a player without credentials is to be sent.
func (s *state) challenge(v *sdk.Verdicts) {
	v.Login(abi.Login{Point: s.point, For: abi.LoginPlay})
}

// logged goes on with the pending request, or refuses it (RFC 2326 11.1: 401 as HTTP has
// it).
func (p *plugin) logged(s *state, e *abi.Logged, v *sdk.Verdicts) {
	switch {
	case s.pending.kind == kindNone:
		return
	case e.Code == abi.OK:
		p.step(s, v)
		return
	case s.pending.kind == kindOptions: // an encoder's login need be no player's
		s.optionsOf(v)
		return
	}
	if s.pending.kind == kindSetup {
		s.giveUp(v)
	}
	status := 403
	switch e.Code {
	case abi.EAUTH:
		status = 401
	case abi.EAGAIN:
		status = 503
	}
	v.Metric("requests_refused", 1)
	r := s.late(v, status)
	for f := range e.Fields.All() {
		r.field(string(f.Name), string(f.Value))
	}
	explain(r, string(e.Text)).send(v)
}
