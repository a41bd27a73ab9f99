package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// refusal is an answer for the person at the other end.
type refusal struct {
	status int
	text   string
}

// choose finds the form that the route asks for, or says why the point cannot be had.
func choose(point *abi.PointSummary, route, path string) (f form, no refusal, ok bool) {
	name := strconv.Quote(sdk.String(point.Name))
	switch {
	case point.State == abi.PointUnknown:
		return form{}, refusal{404, "no stream is published at " + strconv.Quote(path)}, false
	case point.State == abi.PointStopped:
		return form{}, refusal{503, "the stream " + name + " is stopped" + because(point.Reason) + "; try again later"}, false
	case point.State != abi.PointLive:
		return form{}, refusal{503, "the stream " + name + " is not live now (" + point.State.String() + "); try again soon"}, false
	}
	elsewhere := ""
	for _, f := range forms {
		r, found := point.Renditions.Find(f.rendition)
		switch {
		case !found:
		case route != "any" && renditionOf(route) != f.rendition:
			elsewhere = f.suffix
		case r.Generation == 0:
			return form{}, refusal{503, "the stream " + name + " has just begun and has no header yet; try again soon"}, false
		case point.IsFull():
			return form{}, refusal{503, "the stream " + name + " has all the " +
				strconv.FormatUint(uint64(point.MaxViewers), 10) + " viewers that it may have; try again later"}, false
		case r.Limit != abi.LimitNone:
			return form{}, refusal{503, "the stream " + name + sdk.LimitWords(r.Limit) + again(r.Limit)}, false
		default:
			return f, refusal{}, true
		}
	}
	if elsewhere != "" {
		return form{}, refusal{404, "the stream " + name + " is not there as " + route + "; ask for /" +
			sdk.String(point.Name) + elsewhere}, false
	}
	if _, some := first(&point.Renditions); some {
		return form{}, refusal{404, "the stream " + name + " is not there in a form that plays over plain HTTP (asf, mpegts, webm, ogg)"}, false
	}
	return form{}, refusal{503, "the stream " + name + " has just begun; try again soon"}, false
}

// renditionOf is what a route asks for. Matroska is one rendition, whatever its kind of
// document.
func renditionOf(route string) string {
	if route == "mkv" {
		return "webm"
	}
	return route
}

func because(reason []byte) string {
	if len(reason) == 0 {
		return ""
	}
	return " (" + sdk.String(reason) + ")"
}

// again tells what to do about a limit that others may make room under.
func again(l abi.Limit) string {
	switch l.Kind() {
	case abi.LimitViewers, abi.LimitBandwidth:
		return "; try again later"
	}
	return ""
}

func first(l *abi.Renditions) (abi.Rendition, bool) {
	for r := range l.All() {
		return r, true
	}
	return abi.Rendition{}, false
}

// retryAfter is in seconds: about as long as an encoder takes to come back (chosen).
const retryAfter = "2"

func refuse(v *sdk.Verdicts, no refusal) {
	h := v.Fields()
	h.Add("Content-Type", "text/plain; charset=utf-8")
	h.Add("Cache-Control", "no-store")
	if no.status == 503 {
		h.Add("Retry-After", retryAfter)
	}
	p := v.Pieces()
	p.Text(no.text + "\n")
	v.Respond(no.status, 0, h, p)
}

// refused answers after the host has refused to answer as planned.
func (s *state) refused(e *abi.Refused, v *sdk.Verdicts) {
	if e.During != abi.OpHTTPRequest && e.During != abi.OpPoint {
		v.Close(0, abi.CloseNow, "refused")
		return
	}
	if s.phase == asking {
		s.phase = answered
	}
	no := refusal{503, sdk.String(e.Text)}
	switch e.Code {
	case abi.ENOENT:
		no.status = 404
	case abi.EPERM, abi.EAUTH:
		no.status = 403
	}
	refuse(v, no)
}
