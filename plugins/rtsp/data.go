package main

import (
	"errors"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/rtsp"
)

const (
	// maxHead and maxBody bound a request, in bytes. Chosen: players send heads of some
	// hundred bytes, encoders descriptions of some kilobytes.
	maxHead = 16 << 10
	maxBody = 64 << 10
	// leastRoom is how much of the outbox is left when reading stops, in bytes (chosen: an
	// answer with the longest header, and the state).
	leastRoom = 64 << 10
)

// call is one request; its slices are views that are valid during the event.
type call struct {
	rtsp.Request
	body []byte
	at   uint64   // offset of the body in the connection's input
	end  uint64   // offset behind the request
	head abi.Head // of the event
}

// frame is one interleaved frame (RFC 2326 10.12).
type frame struct {
	channel uint8
	payload []byte
	at      uint64 // offset of the payload
}

// data reads requests and frames until one request is pending.
func (p *plugin) data(s *state, e *abi.Data, v *sdk.Verdicts) {
	s.seen = e.MonoNano
	used := 0
	for used < len(e.Bytes) && s.pending.kind == kindNone && s.isOpen && v.Room() > leastRoom {
		n := p.next(s, e, used, v)
		if n == 0 {
			break
		}
		used += n
	}
	if s.pending.kind != kindNone && used > 0 {
		used-- // the answer consumes it, so that what follows is delivered again
	}
	if used > 0 && s.isOpen {
		v.Consume(stream, e.Offset+uint64(used))
	}
}

// next takes what the input goes on with, and tells how many bytes it took; 0: it is not
// all there yet.
func (p *plugin) next(s *state, e *abi.Data, used int, v *sdk.Verdicts) int {
	b, offset := e.Bytes[used:], e.Offset+uint64(used)
	switch b[0] {
	case '\r', '\n': // RFC 2326 4.1: blank lines before a request are none of it
		return 1
	case rtsp.FrameMark:
		channel, size, ok := rtsp.Frame(b)
		if !ok {
			v.Need(stream, rtsp.FrameHead)
			return 0
		}
		if len(b) < rtsp.FrameHead+size {
			v.Need(stream, rtsp.FrameHead+size)
			return 0
		}
		if s.mode == modeRecord {
			f := frame{channel: channel, payload: b[rtsp.FrameHead:][:size], at: offset + rtsp.FrameHead}
			p.recordFrame(s, &f, v)
		}
		return rtsp.FrameHead + size
	}
	return p.request(s, e, used, v)
}

// blank ends a request's head.
var blank = []byte("\r\n\r\n")

func (p *plugin) request(s *state, e *abi.Data, used int, v *sdk.Verdicts) int {
	b, offset := e.Bytes[used:], e.Offset+uint64(used)
	q := call{head: e.Head}
	var n int
	var err error
	q.Request, n, err = rtsp.ParseRequest(b[:min(len(b), maxHead)])
	q.at = offset + uint64(n)
	q.end = q.at + q.ContentLength
	switch {
	case errors.Is(err, rtsp.ErrIncomplete) && len(b) < maxHead:
		if hasCR(b) {
			v.NeedUntil(stream, blank, maxHead)
		}
		return 0
	case errors.Is(err, rtsp.ErrVersion):
		s.reject(&q, v, 505)
		return len(b)
	case err != nil:
		s.reject(&q, v, 400)
		return len(b)
	case q.ContentLength > maxBody:
		s.reject(&q, v, 413)
		return len(b)
	case uint64(len(b)) < uint64(n)+q.ContentLength:
		v.Need(stream, n+int(q.ContentLength))
		return 0
	}
	size := n + int(q.ContentLength)
	q.body = b[n:size]
	p.dispatch(s, &q, v)
	return size
}

// hasCR tells whether lines end as they should; of others the end is looked for whenever
// something comes.
func hasCR(b []byte) bool {
	for i, c := range b {
		if c == '\n' {
			return i > 0 && b[i-1] == '\r'
		}
	}
	return true
}

// reject answers what cannot be read, and ends the connection: where the next request
// begins is not known.
func (s *state) reject(q *call, v *sdk.Verdicts, status int) {
	v.Metric("requests_rejected", 1)
	s.reply(q, v, status).send(v)
	s.end(v, abi.CloseFlush, "not RTSP as it should be: "+rtsp.Reason(status))
}

// dispatch answers one request (RFC 2326 10), or begins to.
func (p *plugin) dispatch(s *state, q *call, v *sdk.Verdicts) {
	if id := q.Session(); len(id) > 0 && !s.isSession(id) {
		s.reply(q, v, 454).send(v)
		return
	}
	switch sdk.String(q.Method) {
	case "OPTIONS":
		p.options(s, q, v)
	case "DESCRIBE":
		p.describe(s, q, v)
	case "SETUP":
		p.setup(s, q, v)
	case "PLAY":
		s.startPlay(q, v)
	case "PAUSE":
		s.pause(q, v)
	case "TEARDOWN":
		if s.mode == modeRecord {
			p.recordTeardown(s, q, v)
			return
		}
		s.teardown(q, v)
	case "GET_PARAMETER", "SET_PARAMETER": // without a body they ask whether we are there (RFC 2326 10.8)
		if len(q.body) > 0 {
			s.reply(q, v, 451).send(v)
			return
		}
		s.reply(q, v, 200).send(v)
	case "ANNOUNCE":
		p.announce(s, q, v)
	case "RECORD":
		p.record(s, q, v)
	default:
		s.reply(q, v, 501).field("Public", public).send(v)
	}
}

// public is what a player may ask for (RFC 2326 10.1).
const public = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER, ANNOUNCE, RECORD"
