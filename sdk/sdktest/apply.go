package sdktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// apply does with a batch what a host does with it, and refuses what it refuses.
func (h *host) apply(s *session, e abi.Event, list []abi.Record) error {
	i := slices.IndexFunc(list, func(v abi.Record) bool { return v.Op() == abi.OpFail })
	if i >= 0 {
		if len(list) > 1 {
			return errors.New("FAIL stands beside other verdicts")
		}
		s.closed = list[i].(*abi.Fail).Code == abi.EPROTO
		return nil
	}
	if err := counted(e, list); err != nil {
		return err
	}
	for _, v := range list {
		if err := h.verdict(s, e, v); err != nil {
			return fmt.Errorf("%s: %w", v.Op(), err)
		}
	}
	return nil
}

// counted: a packager answers PACKETS with exactly as many PACKET, PACKAGE with one
// HEADER.
func counted(e abi.Event, list []abi.Record) error {
	count := func(op abi.Op) (n int) {
		for _, v := range list {
			if v.Op() == op {
				n++
			}
		}
		return n
	}
	switch e := e.(type) {
	case *abi.Packets:
		want := 0
		for range e.Packets.All() {
			want++
		}
		if got := count(abi.OpPacket); got != want {
			return fmt.Errorf("%d packets are answered with %d", want, got)
		}
	case *abi.Package:
		if got := count(abi.OpHeader); got != 1 {
			return fmt.Errorf("PACKAGE is answered with %d HEADER", got)
		}
	}
	return nil
}

func (h *host) verdict(s *session, e abi.Event, v abi.Record) error {
	switch v := v.(type) {
	case *abi.SetState:
		if len(v.Blob) > abi.MaxState {
			return fmt.Errorf("%d bytes of state", len(v.Blob))
		}
		s.blob = v.Blob
	case *abi.Consume:
		in := s.input(v.Conn)
		if in.flow {
			return errors.New("datagrams are consumed by being delivered")
		}
		if v.Offset < uint64(in.consumed) || v.Offset > uint64(in.shown) {
			return fmt.Errorf("offset %d lies outside %d to %d", v.Offset, in.consumed, in.shown)
		}
		in.consumed, in.need = int(v.Offset), abi.Need{}
	case *abi.Retain:
		in := s.input(v.Conn)
		if in.flow && v.Offset < uint64(in.held(e)) {
			return fmt.Errorf("offset %d was let go; what is held begins at %d", v.Offset, in.held(e))
		}
		if v.Offset > uint64(in.shown) || in.shown-int(v.Offset) > abi.MaxRetain {
			return fmt.Errorf("offset %d is not within %d bytes before %d", v.Offset, abi.MaxRetain, in.shown)
		}
		in.kept = int(v.Offset)
	case *abi.Need:
		if v.Bytes > maxData {
			return fmt.Errorf("%d bytes never fit into one DATA", v.Bytes)
		}
		if s.input(v.Conn).flow {
			return errors.New("datagrams come one by one")
		}
		s.input(v.Conn).need = *v
	case *abi.SetTimer:
		if v.After <= 0 {
			delete(s.timers, v.ID)
			return nil
		}
		s.timers[v.ID] = h.elapsed + time.Duration(v.After)
		if len(s.timers) > abi.MaxTimers {
			return fmt.Errorf("%d timers", len(s.timers))
		}
	case *abi.Close:
		s.closed = s.closed || v.Conn <= 1
	default:
		return h.payload(s, e, v)
	}
	return nil
}

// payload collects the bytes that a verdict would send or append.
func (h *host) payload(s *session, e abi.Event, v abi.Record) error {
	switch v := v.(type) {
	case *abi.Write:
		return h.pieces(s, e, &v.Pieces)
	case *abi.Send:
		was := len(h.output)
		err := h.pieces(s, e, &v.Pieces)
		if n := len(h.output) - was; n > abi.MaxDatagram {
			return fmt.Errorf("%d bytes are no datagram", n)
		}
		return err
	case *abi.HTTPResponse:
		for f := range v.Fields.All() {
			if strings.ContainsAny(string(f.Name)+string(f.Value), "\r\n\x00") {
				return fmt.Errorf("field %q holds a line end", f.Name)
			}
		}
		return h.pieces(s, e, &v.Pieces)
	case *abi.Attach:
		return h.pieces(s, e, &v.Prefix)
	case *abi.Document:
		return h.pieces(s, e, &v.Pieces)
	case *abi.Header:
		return h.pieces(s, e, &v.Pieces)
	case *abi.Packet:
		return h.pieces(s, e, &v.Pieces)
	case *abi.Feed:
		if v.Flags&abi.FeedThrough != 0 {
			s.input(v.Conn).through = true
		}
		return h.pieces(s, e, &v.Pieces)
	}
	return nil
}
