package sdktest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// session is what the host holds of one session.
type session struct {
	blob   []byte
	closed bool
	inputs map[uint32]*input
	timers map[uint32]time.Duration // when they run out, of the script's time
	header []byte                   // of a packager's source
}

// input is what has come on one connection. All of it is kept; which of it may be
// marked is decided by consumed and kept.
type input struct {
	bytes    []byte
	consumed int
	shown    int // the end of what was delivered
	kept     int // RETAIN; -1 for none
	need     abi.Need
	last     bool
	through  bool
	flow     bool // of datagrams
}

// maxData bounds one DATA in bytes, as the real host does.
const maxData = 160 << 10

// rounds bounds how many events one line of a script may cause (chosen).
const rounds = 100_000

func (s *session) input(conn uint32) *input {
	in := s.inputs[conn]
	if in == nil {
		in = &input{kept: -1}
		s.inputs[conn] = in
	}
	return in
}

// receive appends bytes to a connection of the current session and delivers.
func (h *host) receive(conn uint32, b []byte, last bool) error {
	s := h.session()
	in := s.input(conn)
	if in.last {
		return fmt.Errorf("conn %d has had its last input", conn)
	}
	in.bytes, in.last = append(in.bytes, b...), last
	for range rounds {
		if in.through {
			h.output = append(h.output, in.bytes[in.consumed:]...)
			in.consumed = len(in.bytes)
			return nil
		}
		if s.closed || in.consumed == len(in.bytes) || !in.ready() {
			return nil
		}
		before := in.consumed
		in.shown = min(len(in.bytes), in.consumed+maxData)
		e := &abi.Data{Head: h.head(conn), Offset: uint64(before), Bytes: in.bytes[before:in.shown]}
		if in.last && in.shown == len(in.bytes) {
			e.Flags = abi.DataLast
		}
		if err := h.event(e); err != nil {
			return err
		}
		if in.consumed == before && !in.through {
			if in.shown < len(in.bytes) {
				return errors.New("a full DATA was delivered and nothing of it consumed")
			}
			return nil
		}
	}
	return fmt.Errorf("conn %d: delivered %d times and there is no end", conn, rounds)
}

// datagrams delivers payloads on a flow of the current session, in one event. What was
// delivered is consumed.
func (h *host) datagrams(conn uint32, lost uint64, list [][]byte) error {
	s := h.session()
	in := s.input(conn)
	in.flow = true
	e := &abi.Datagrams{Head: h.head(conn), Offset: uint64(len(in.bytes)), Lost: lost}
	for _, b := range list {
		in.bytes = append(in.bytes, b...)
		e.Datagrams.Add(abi.DatagramNote{Size: uint32(len(b))})
	}
	e.Bytes = in.bytes[e.Offset:]
	in.consumed, in.shown = len(in.bytes), len(in.bytes)
	if in.through {
		h.output = append(h.output, e.Bytes...)
		return nil
	}
	return h.event(e)
}

// ready minds the NEED of the last answer.
func (in *input) ready() bool {
	rest, n := in.bytes[in.consumed:], int(in.need.Bytes)
	if n == 0 || in.last || len(rest) >= n {
		return true
	}
	return len(in.need.Delimiter) > 0 && bytes.Contains(rest, in.need.Delimiter)
}

// pass lets time go by; timers run out in their order.
func (h *host) pass(d time.Duration) error {
	end := h.elapsed + d
	was := h.current
	defer func() { h.current = was }()
	for range rounds {
		at, session, id, ok := h.earliest(end)
		if !ok {
			h.elapsed = end
			return nil
		}
		h.elapsed, h.current = at, session
		delete(h.sessions[session].timers, id)
		if err := h.event(&abi.Timer{Head: h.head(0), ID: id}); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d timers have run out and there is no end", rounds)
}

func (h *host) earliest(end time.Duration) (at time.Duration, session uint64, id uint32, ok bool) {
	var numbers []uint64
	for n := range h.sessions {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		s := h.sessions[n]
		for i, t := range s.timers {
			if s.closed || t > end || ok && (t > at || t == at && (n > session || n == session && i > id)) {
				continue
			}
			at, session, id, ok = t, n, i, true
		}
	}
	return at, session, id, ok
}
