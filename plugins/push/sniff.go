package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/unframe"
)

// sniff decides by the body's first bytes, not by its Content-Type, since encoders
// often name none or a wrong one. It publishes only when the beginning is complete and
// usable, so that a broken stream never becomes a source.
func (w *worker) sniff(s *state, e *abi.Data, v *sdk.Verdicts) {
	layout, need := asf.Sniff(e.Bytes)
	if need > 0 {
		await(e, len(e.Bytes)+need, v)
		return
	}
	s.layout = layout
	switch layout {
	case asf.Plain:
		w.plain(s, e, v)
	case asf.TS:
		s.pass(v, "bytes:mpegts")
	case asf.FramedMMS, asf.FramedPush:
		w.chunks(s, e, v)
	case asf.WebM:
		s.pass(v, "bytes:webm")
	case asf.Ogg:
		s.pass(v, "bytes:ogg")
	case asf.FLV:
		s.refuse(v, 415, "the body is Flash Video, which no plugin here reads; "+known)
	default:
		s.refuse(v, 415, "the body begins with "+firstBytes(e.Bytes)+", which is neither ASF, an MPEG transport stream, WebM nor Ogg; "+known)
	}
}

// plain hands plain ASF through once its header is known to be good.
func (w *worker) plain(s *state, e *abi.Data, v *sdk.Verdicts) {
	n, need, err := asf.HeaderSize(e.Bytes)
	if err == nil && (n == 0 || need > 0) {
		await(e, len(e.Bytes)+need, v)
		return
	}
	if err == nil {
		_, err = asf.ParseHeader(e.Bytes)
	}
	if err != nil {
		s.refuse(v, 400, unframe.HeaderFault(err))
		return
	}
	s.pass(v, "bytes:asf")
}

// pass lets the host feed the child by itself from here on.
func (s *state) pass(v *sdk.Verdicts, format string) {
	v.Publish(s.point, format, 0)
	v.FeedThrough(body)
	s.phase = through
}

// await asks for n unconsumed bytes; after the last ones END follows by itself.
func await(e *abi.Data, n int, v *sdk.Verdicts) {
	if e.Flags&abi.DataLast == 0 {
		v.Need(body, n)
	}
}

// maxShown is how many bytes an answer quotes; chosen: what makes a format known.
const maxShown = 8

func firstBytes(b []byte) string {
	var text []byte
	for i, c := range b[:min(len(b), maxShown)] {
		if i > 0 {
			text = append(text, ' ')
		}
		if c < 0x10 {
			text = append(text, '0')
		}
		text = strconv.AppendUint(text, uint64(c), 16)
	}
	return string(text)
}
