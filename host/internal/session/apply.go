package session

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
)

// refusal says why a batch was not applied. fault is set when the verdict breaks the
// contract and ends the session.
type refusal struct {
	index int
	op    abi.Op
	code  abi.Code
	text  string
	limit abi.Limit // of ELIMIT: which keeps a viewer out
	fault *plugin.Fault

	isStopped bool // the point is: whoever tries again and again is no news
}

// isOrdinary tells what the point is like, of which peers should hear and operators need
// not, from a mistake of the plugin's or a grant that is missing.
func (x *refusal) isOrdinary() bool {
	return x.isStopped || x.code == abi.EBUSY || x.code == abi.ENOENT || x.code == abi.EAGAIN || x.code == abi.ELIMIT || x.code == abi.EAUTH
}

// batch is one session's verdicts under judgement, and what they have reserved.
type batch struct {
	s      *Session
	raws   []abi.Raw
	feed   *point.Feed // PUBLISH
	format *Runner     // PUBLISH bytes:…
	joined *point.Rendition
	joins  *Session // JOIN_KEY
	dials  []dialed
	rec    *records
	seen   seen
}

// seen is what the verdicts before the one under judgement have asked for.
type seen struct {
	response, accepted, document, header bool
	login                                bool
	closes                               bool // the viewer's connection, once it is flushed

	watches int
	timers  []uint32 // new ones
	metrics []string // new ones
	keys    []string // likewise
	bytes   int      // gathered
}

// records are reused for decoding verdicts; the two passes use them in turn.
type records struct {
	consume  abi.Consume
	retain   abi.Retain
	need     abi.Need
	write    abi.Write
	accept   abi.Accept
	response abi.HTTPResponse
	attach   abi.Attach
	publish  abi.Publish
	feed     abi.Feed
	header   abi.Header
	packet   abi.Packet
	document abi.Document
	rest     restRecords
}

type restRecords struct {
	state  abi.SetState
	watch  abi.Watch
	resume abi.Resume
	detach abi.Detach
	dial   abi.Dial
	timer  abi.SetTimer
	close  abi.Close
	metric abi.Metric
	send   abi.Send
	bind   abi.BindKey
	join   abi.JoinKey
	login  abi.Login
	fail   abi.Fail
}

// apply judges a session's batch and, if all of it can be done, does it.
func (w *worker) apply(s *Session, raws []abi.Raw) *refusal {
	if len(raws) == 0 {
		return nil
	}
	b := &w.scratch.b
	*b = batch{s: s, raws: raws, rec: &w.scratch.rec, dials: b.dials[:0]}
	if raws[0].Op == abi.OpFail && len(raws) == 1 {
		return w.failed(s, raws)
	}
	for i, raw := range raws {
		if err := b.reserve(raw); err != nil {
			b.release()
			return judge(i, raw.Op, err)
		}
	}
	b.seen.bytes = 0
	for _, raw := range raws {
		b.commit(raw)
		if s.inbox.over.Load() {
			b.release() // what follows is not carried out
			return nil
		}
	}
	b.afterwards()
	return nil
}

// sin is an error that ends the session with a Fault.
type sin struct {
	kind plugin.Kind
	err  error
}

func (e *sin) Error() string { return e.err.Error() }
func (e *sin) Unwrap() error { return e.err }

func sinf(kind plugin.Kind, format string, args ...any) error {
	return &sin{kind, fmt.Errorf(format, args...)}
}

// denied is an error with the code that the plugin is told.
type denied struct {
	code abi.Code
	text string
}

func (e *denied) Error() string { return e.text }

func denyf(code abi.Code, format string, args ...any) error {
	return &denied{code, fmt.Sprintf(format, args...)}
}

func judge(i int, op abi.Op, err error) *refusal {
	x := &refusal{index: i, op: op, code: abi.EINVAL, text: err.Error()}
	var bad *sin
	var no *denied
	switch {
	case errors.As(err, &bad):
		x.fault = &plugin.Fault{Kind: bad.kind, Cause: fmt.Errorf("verdict %d (%v): %w", i, op, bad.err)}
	case errors.As(err, &no):
		x.code = no.code
	case errors.Is(err, point.ErrBusy):
		x.code = abi.EBUSY
	case errors.Is(err, point.ErrNoSuch):
		x.code = abi.ENOENT
	case errors.Is(err, point.ErrNotReady):
		x.code = abi.EAGAIN
	case errors.Is(err, point.ErrFull):
		x.code, x.limit = abi.ELIMIT, abi.Limit(refusedBy(err))
	case errors.Is(err, point.ErrNotPush):
		x.code = abi.EPERM
	case errors.Is(err, point.ErrClosed), errors.Is(err, point.ErrStopped), errors.Is(err, point.ErrGone):
		x.code, x.isStopped = abi.ESTATE, errors.Is(err, point.ErrStopped)
	}
	return x
}

// failed handles a session's error code (spec.md §7).
func (w *worker) failed(s *Session, raws []abi.Raw) *refusal {
	f := &w.scratch.rec.rest.fail
	if err := w.scratch.b.decode(raws[0], f); err != nil {
		return judge(0, raws[0].Op, err)
	}
	text := string(f.Text)
	if f.Code >= 0 {
		return judge(0, abi.OpFail, sinf(plugin.BadBatch, "FAIL with code %d", f.Code))
	}
	if f.Code == abi.EINTERNAL || f.Code == abi.ESTATE {
		cause := &plugin.CodeError{Code: f.Code, Text: text}
		return &refusal{op: abi.OpFail, fault: &plugin.Fault{Kind: plugin.Protocol, Cause: cause}}
	}
	if s.links.answer != nil {
		s.links.answer(documentAnswer{Err: &denied{f.Code, text}})
		s.link().answer = nil
	}
	w.r.log.Info("event failed", "code", f.Code.String(), "session", s.id, "peer", s.name(), "point", s.on, "why", text)
	if f.Code != abi.EPROTO {
		text = f.Code.String() + ": " + text
	} else if s.kind == kindExchange && s.links.x.isOpen() {
		s.links.x.answer(w.r.textAnswer(http.StatusBadRequest, text))
	}
	w.endWith(s, "protocol", text)
	return nil
}

func (b *batch) decode(raw abi.Raw, rec abi.Record) error {
	if b.s == nil || b.s.w.scratch.reader.Decode(raw, rec) != nil {
		return sinf(plugin.BadBatch, "malformed record")
	}
	return nil
}

// release gives back what reserve took.
func (b *batch) release() {
	if b.feed != nil {
		b.feed.Close("refused")
	}
	if b.joined != nil {
		b.joined.Leave()
	}
	for _, d := range b.dials {
		d.close()
	}
	for _, name := range b.seen.metrics {
		b.s.r.forgetMetric(name)
	}
	b.s.r.forgetKeys(b.seen.keys)
	b.feed, b.joined, b.dials, b.seen.metrics, b.seen.keys = nil, nil, b.dials[:0], nil, nil
}

// gather resolves pieces to the bytes that they mark. The slices are valid until the
// event is settled.
func (b *batch) gather(pieces *abi.Pieces) ([][]byte, error) {
	out := b.s.w.scratch.slices[:0]
	for p := range pieces.All() {
		v, err := b.piece(p)
		if err != nil {
			return nil, err
		}
		if len(v) > 0 {
			out = append(out, v)
		}
		if b.seen.bytes += len(v); b.seen.bytes > maxGathered {
			return nil, denyf(abi.ETOOBIG, "the batch's pieces make more than %d bytes", maxGathered)
		}
	}
	b.s.w.scratch.slices = out
	return out, nil
}

// maxGathered bounds the bytes that the pieces of one batch may come to, since a span
// of a few bytes can be marked thousands of times (chosen: all that may be retained,
// twice over).
const maxGathered = 2 * abi.MaxRetain

func (b *batch) piece(p abi.Piece) ([]byte, error) {
	s := b.s
	switch p.Kind {
	case abi.PieceLiteral:
		return p.Bytes, nil
	case abi.PieceInput:
		if c := s.conn(0); c != nil && c.in != nil {
			if v, ok := c.in.span(p.Offset, int(p.Length)); ok {
				return v, nil
			}
		}
		return nil, sinf(plugin.BadSpan, "span of input [%d, +%d) is not held", p.Offset, p.Length)
	case abi.PiecePacket:
		if s.links.pack != nil {
			if v, ok := s.links.pack.span(p); ok {
				return v, nil
			}
		}
		return nil, sinf(plugin.BadSpan, "span of packet %d [%d, +%d) is not held", p.Packet, p.Offset, p.Length)
	case abi.PieceHeader:
		return b.header(p.Bytes)
	}
	return nil, denyf(abi.ENOSYS, "unknown kind of piece %d", p.Kind)
}
