package sdktest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// Where the script's time begins: chosen, so that no clock reads 0.
const (
	startUnix = 1_700_000_000_000_000_000
	startMono = int64(time.Second)
)

// opGrease is an op that no version has; a plugin must skip it.
const opGrease abi.Op = 126

// host is the small host: what it holds of each session, and the answer to the last
// line that made something happen.
type host struct {
	carrier Carrier
	config  []byte
	opened  bool
	elapsed time.Duration
	entropy [16]byte

	sessions map[uint64]*session
	current  uint64
	headers  map[string][]byte // by "point\x00rendition"

	verdicts []abi.Record
	output   []byte

	writer abi.Writer
	frame  []byte
}

func newHost(c Carrier) *host {
	h := &host{carrier: c, config: []byte("{}"), current: 1, sessions: map[uint64]*session{},
		headers: map[string][]byte{}, frame: make([]byte, abi.UsualBox)}
	for i := range h.entropy {
		h.entropy[i] = byte(i + 1)
	}
	return h
}

func (h *host) session() *session {
	s := h.sessions[h.current]
	if s == nil {
		s = &session{inputs: map[uint32]*input{}, timers: map[uint32]time.Duration{}}
		h.sessions[h.current] = s
	}
	return s
}

// head gives an event's time and entropy.
func (h *host) head(conn uint32) abi.Head {
	return abi.Head{UnixNano: startUnix + int64(h.elapsed), MonoNano: startMono + int64(h.elapsed), Entropy: h.entropy, Conn: conn}
}

// defaults sets what a script seldom cares for.
func (h *host) defaults(e abi.Event) {
	head := e.EventHead()
	*head = h.head(0)
	switch e := e.(type) {
	case *abi.HTTPRequest:
		head.Conn = 1
		e.Listener, e.Local, e.Remote = []byte("web"), []byte("192.0.2.1:8080"), []byte("192.0.2.9:50000")
	case *abi.ConnOpen:
		head.Conn = 1
		e.Listener, e.Local, e.Remote = []byte("web"), []byte("192.0.2.1:8080"), []byte("192.0.2.9:50000")
	case *abi.End:
		head.Conn = 1
		if in := h.session().inputs[1]; in != nil {
			e.Offset = uint64(len(in.bytes))
		}
	case *abi.Data, *abi.Attached, *abi.Detached:
		head.Conn = 1
	}
}

// open sends OPEN, once, in a frame of its own.
func (h *host) open() error {
	if h.opened {
		return nil
	}
	h.opened = true
	h.writer.Reset(h.frame)
	e := &abi.Open{Head: h.head(0), Config: h.config, Outbox: abi.UsualBox, Version: []byte("sdktest")}
	if err := h.writer.Put(0, 0, e); err != nil {
		return err
	}
	answer, err := h.carrier.Call(h.writer.Bytes())
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	list, err := decode(answer, 0)
	if err == nil && len(list) > 0 {
		err = errors.New(showAll(list))
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	return nil
}

// event hands in one event of the current session, applies the answer and keeps it for
// the lines that follow.
func (h *host) event(e abi.Event) error {
	if err := h.open(); err != nil {
		return err
	}
	s := h.session()
	if s.closed {
		return fmt.Errorf("session %d is closed; it takes no %s", h.current, e.Op())
	}
	h.remember(s, e)
	h.writer.Reset(h.frame)
	err := h.writer.PutRaw(abi.Raw{Op: opGrease, Session: h.current, Body: []byte("grease")})
	if err == nil && len(s.blob) > 0 {
		err = h.writer.Put(h.current, 0, &abi.State{Head: h.head(0), Blob: s.blob})
	}
	if err == nil {
		err = h.writer.Put(h.current, 0, e)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.Op(), err)
	}
	answer, err := h.carrier.Call(h.writer.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", e.Op(), err)
	}
	list, err := decode(answer, h.current)
	if err == nil {
		h.verdicts = append(h.verdicts, list...)
		err = h.apply(s, e, list)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; the answer is%s", e.Op(), err, showAll(list))
	}
	return nil
}

// decode reads an answer. Its records share nothing with it.
func decode(answer []byte, session uint64) ([]abi.Record, error) {
	var r abi.Reader
	if err := r.Reset(bytes.Clone(answer)); err != nil {
		return nil, err
	}
	var list []abi.Record
	for {
		raw, ok, err := r.Next()
		if err != nil || !ok {
			return list, err
		}
		v := abi.New(raw.Op)
		switch {
		case raw.Session != session:
			return list, fmt.Errorf("%s is of session %d, not %d", raw.Op, raw.Session, session)
		case v == nil || !raw.Op.IsVerdict():
			return list, fmt.Errorf("%s is no verdict", raw.Op)
		}
		if err := r.Decode(raw, v); err != nil {
			return list, fmt.Errorf("%s: %w", raw.Op, err)
		}
		list = append(list, v)
	}
}
