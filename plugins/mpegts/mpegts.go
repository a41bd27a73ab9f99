package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
)

const (
	// maxLost bounds what is thrown away before the input counts as no programme, in
	// bytes. Chosen: ISO/IEC 13818-1 sets no repetition rate for tables, DVB 100 ms;
	// this is 3 s at 10 Mbit/s.
	maxLost = 4 << 20
	// maxPacket bounds a media packet, in bytes, so that a large frame neither waits
	// nor travels whole. Chosen: what one send of a viewer takes.
	maxPacket = 348 * mpegts.PacketSize
	// syncBytes always let Sync decide.
	syncBytes = 2*mpegts.PacketSize + 1
)

// worker is an instance's scratch space; no verdict depends on what is left in it.
type worker struct{ patches mpegts.Patches }

func newPlugin() *sdk.Plugin {
	return sdk.New(nil, new(worker).event)
}

func (w *worker) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Published:
		s.clock.join(e.NextTime)
		s.mark = len(e.Header) > 0
		s.header = append(s.header[:0], e.Header...)
	case *abi.Data:
		return w.data(s, e, v)
	case *abi.End:
		return s.ended(e, v)
	}
	return nil
}

// data takes all whole packets; what is there of a media packet goes out at once, its
// rest follows as a packet of the same time.
func (w *worker) data(s *state, e *abi.Data, v *sdk.Verdicts) error {
	c := cutter{s: s, v: v, patches: &w.patches, offset: e.Offset}
	used, need := 0, 0
	for used < len(e.Bytes) && need == 0 {
		rest := e.Bytes[used:]
		whole := mpegts.Whole(rest)
		for at := 0; at < whole; {
			at += c.run(rest[at:whole], e.Offset+uint64(used+at))
			if at == whole || c.full() {
				whole = at
				break
			}
			c.packet(rest[at:at+mpegts.PacketSize], e.Offset+uint64(used+at))
			at += mpegts.PacketSize
		}
		used += whole
		switch rest = e.Bytes[used:]; {
		case c.full():
			need = 1
		case len(rest) == 0:
		case rest[0] == syncByte && len(rest) < mpegts.PacketSize:
			need = mpegts.PacketSize
		default:
			c.flush()
			skip, ok := mpegts.Sync(rest)
			used += skip
			s.lose(skip)
			if !ok {
				need = syncBytes
			}
		}
	}
	c.flush()
	if s.lost > maxLost {
		return s.bad(e.Offset)
	}
	if used > 0 {
		v.Consume(e.Conn, e.Offset+uint64(used))
	}
	if need > 1 && e.Flags&abi.DataLast == 0 {
		v.Need(e.Conn, need)
	}
	return nil
}

// syncByte begins each packet (ISO/IEC 13818-1 2.4.3.2).
const syncByte = 0x47

// lose counts input that was thrown away.
func (s *state) lose(n int) { s.lost += uint32(n) }

func (s *state) bad(offset uint64) error {
	where := " (byte " + strconv.FormatUint(offset, 10) + " of the stream)"
	if s.demux.Ready() {
		return sdk.Fail(abi.EPROTO, "too much of the transport stream is damaged"+where)
	}
	return sdk.Fail(abi.EPROTO, "no programme in the transport stream: PAT and PMT are missing"+where)
}

// ended: a loop begins again with its tables; anything else must have had some.
func (s *state) ended(e *abi.End, v *sdk.Verdicts) error {
	if !s.known {
		return s.bad(e.Offset)
	}
	if e.Reason == abi.EndLoop {
		v.Consume(e.Conn, e.Offset)
		s.demux.Reset()
		s.running, s.mark = false, true
		s.clock.seam()
	}
	return nil
}
