package main

import (
	"errors"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

const (
	rendition = "asf"
	nsPerMs   = 1_000_000
)

// worker is an instance's scratch space; no verdict depends on what is left in it.
type worker struct {
	packet  asf.Packet
	patches asf.Patches
	header  []byte
}

func newPlugin() *sdk.Plugin {
	return sdk.New(nil, new(worker).event)
}

func (w *worker) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Published:
		s.clock.join(e.NextTime)
		s.mark = len(e.Header) > 0
		s.keep(e.Header)
	case *abi.Data:
		return w.data(s, e, v)
	case *abi.End:
		return s.ended(e, v)
	}
	return nil
}

// data takes as much input as is complete and as the outbox has room for.
func (w *worker) data(s *state, e *abi.Data, v *sdk.Verdicts) error {
	used := 0
	for {
		n, need, err := w.step(s, e, used, v)
		if err != nil {
			return err
		}
		used += n
		if n > 0 && used < len(e.Bytes) {
			continue
		}
		if used > 0 {
			v.Consume(e.Conn, e.Offset+uint64(used))
		}
		if need > 0 && e.Flags&abi.DataLast == 0 {
			v.Need(e.Conn, need)
		}
		return nil
	}
}

// step takes one header, one packet, or the tail from the input at used. It takes
// nothing when the input is not complete, and says then how many bytes it wants.
func (w *worker) step(s *state, e *abi.Data, used int, v *sdk.Verdicts) (n, need int, err error) {
	b, offset := e.Bytes[used:], e.Offset+uint64(used)
	switch {
	case s.phase == atTail:
		return len(b), 0, nil
	case len(b) == 0:
		return 0, 0, nil
	case s.phase == atHeader:
		return w.takeHeader(s, e, b, offset, v)
	}
	seam, need := lookAhead(b)
	switch {
	case need > 0:
		return 0, len(b) + need, nil
	case seam == seamHeader:
		s.seam()
		return w.takeHeader(s, e, b, offset, v)
	case seam == seamTail:
		s.phase = atTail
		return len(b), 0, nil
	case len(b) < int(s.packetSize):
		return 0, int(s.packetSize), nil
	}
	return w.takePacket(s, b[:s.packetSize], offset, v)
}

type seam uint8

const (
	noSeam seam = iota
	seamHeader
	seamTail
)

// lookAhead tells what stands where a packet should: a push may bring a new header
// there, a file its index, ffmpeg its end mark.
func lookAhead(b []byte) (s seam, need int) {
	if b[0] == headerMark {
		if l, n := asf.Sniff(b); l == asf.Plain || n > 0 {
			return seamHeader, n
		}
	}
	end, n := asf.PlainEnd(b)
	if end || n > 0 {
		return seamTail, n
	}
	index, n := asf.IsIndex(b)
	if index || n > 0 {
		return seamTail, n
	}
	return noSeam, 0
}

// headerMark is the first byte of the Header Object's GUID (ASF 10.1).
const headerMark = 0x30

// ended: a loop goes on with a header, anything else must not have ended inside one.
func (s *state) ended(e *abi.End, v *sdk.Verdicts) error {
	if !s.known {
		return bad("the input ended inside the ASF header", e.Offset, asf.ErrTruncated)
	}
	if e.Reason == abi.EndLoop {
		v.Consume(e.Conn, e.Offset)
		s.phase = atHeader
		s.clock.loop()
	}
	return nil
}

func (s *state) seam() {
	s.phase = atHeader
	s.clock.seam()
}

// keep remembers the header in force, as far as the state can hold it.
func (s *state) keep(header []byte) {
	s.header = s.header[:0]
	if len(header) <= maxKept {
		s.header = append(s.header, header...)
	}
}

// bad blames the encoder in words.
func bad(what string, offset uint64, cause error) error {
	text := what + " (byte " + strconv.FormatUint(offset, 10) + " of the stream)"
	switch {
	case errors.Is(cause, asf.ErrTooLarge):
		text += ": larger than a framed stream can carry (65527 bytes)"
	case errors.Is(cause, asf.ErrVariable):
		text += ": its packets have no fixed size; let the encoder write packets of one size"
	case cause != nil:
		text += ": " + cause.Error()
	}
	return sdk.Fail(abi.EPROTO, text)
}
