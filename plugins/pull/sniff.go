package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/unframe"
)

// reserve is kept free in the outbox for PUBLISH, CONSUME, NEED, FEED's head and the
// state, bytes (spec.md §4).
const reserve = 8192

// sniff decides by the first bytes, not by a Content-Type, since servers often name none
// or a wrong one (wire digest §1.4, §2.1).
func (p *plugin) sniff(s *state, e *abi.Data, v *sdk.Verdicts) {
	layout, need := asf.Sniff(e.Bytes)
	if need > 0 {
		s.await(e, len(e.Bytes)+need, v)
		return
	}
	s.layout = layout
	switch layout {
	case asf.Plain:
		s.header(e, v)
	case asf.TS:
		s.pass(v, "bytes:mpegts")
	case asf.WebM:
		s.pass(v, "bytes:webm")
	case asf.Ogg:
		s.pass(v, "bytes:ogg")
	case asf.FramedMMS, asf.FramedPush:
		p.begin(s, e, v)
	case asf.FLV:
		s.close(v, s.where()+" sends "+layout.String()+", which no plugin here reads"+known)
	default:
		s.close(v, s.where()+" sends what is neither ASF, an MPEG transport stream, WebM nor Ogg"+known)
	}
}

const known = "; let it send ASF, MPEG-TS, WebM or Ogg, for example: ffmpeg ... -listen 1 -f mpegts http://0.0.0.0:8081/live"

// header lets plain ASF through once its header is known to be good.
func (s *state) header(e *abi.Data, v *sdk.Verdicts) {
	n, need, err := asf.HeaderSize(e.Bytes)
	if err == nil && (n == 0 || need > 0) {
		s.await(e, len(e.Bytes)+need, v)
		return
	}
	if err == nil {
		_, err = asf.ParseHeader(e.Bytes)
	}
	if err != nil {
		s.close(v, s.where()+": "+unframe.HeaderFault(err))
		return
	}
	s.pass(v, "bytes:asf")
}

// pass lets the host feed the child by itself from here on.
func (s *state) pass(v *sdk.Verdicts, format string) {
	v.Publish(s.point, format, 0)
	v.FeedThrough(s.conn)
	s.phase = through
}

// begin looks for a packet behind the header before anything is published: an answer
// that ends there is to a Describe, and Play has to follow (wire digest §3).
func (p *plugin) begin(s *state, e *abi.Data, v *sdk.Verdicts) {
	at, ok := s.headerAt(e, v)
	if !ok {
		return
	}
	h, size, need, err := p.scratch.Header(e.Bytes[at:], s.layout)
	isLast := e.Flags&abi.DataLast != 0
	switch {
	case err != nil:
		s.close(v, s.where()+": "+unframe.HeaderFault(err))
	case need > 0:
		s.await(e, at+need, v)
	case at+size < len(e.Bytes) && !p.onlyEnds(e.Bytes[at+size:], s.layout):
		v.Publish(s.point, "bytes:asf", 0)
		s.phase = framed
		p.cut(s, e, v)
	case !isLast:
		s.await(e, len(e.Bytes)+1, v)
	case s.manner == play || s.url[0] == 't': // tcp: and tls: have no requests
		s.close(v, s.where()+" sent a header and no packets")
	default:
		s.streams = asf.StreamSet{}
		for _, x := range h.List() {
			s.streams.Add(x.Number)
		}
		s.askToPlay(p, v, e)
	}
}

// headerAt finds the first header chunk: $M and others may stand before it (wire digest
// §3).
func (s *state) headerAt(e *abi.Data, v *sdk.Verdicts) (at int, ok bool) {
	for at < len(e.Bytes) {
		k, need, err := asf.ParseChunk(e.Bytes[at:], s.layout)
		switch {
		case err != nil:
			s.close(v, s.where()+": the framing is broken")
			return 0, false
		case need > 0:
			s.await(e, len(e.Bytes)+need, v)
			return 0, false
		case k.Kind == asf.ChunkHeader, k.Kind == asf.ChunkChange && k.Size > k.Payload && s.layout == asf.FramedPush:
			return at, true
		case at+k.Size > len(e.Bytes):
			s.await(e, at+k.Size, v)
			return 0, false
		}
		at += k.Size
	}
	s.await(e, len(e.Bytes)+1, v)
	return 0, false
}

// onlyEnds reports whether nothing but $E stands in b.
func (*plugin) onlyEnds(b []byte, l asf.Layout) bool {
	k, need, err := asf.ParseChunk(b, l)
	return err == nil && need == 0 && k.Kind == asf.ChunkEnd && len(b) <= k.Size
}

// cut feeds as many whole chunks as are there and as the outbox has room for.
func (p *plugin) cut(s *state, e *abi.Data, v *sdk.Verdicts) {
	out := v.Pieces()
	r := p.scratch.Cut(unframe.Input{Layout: s.layout, Bytes: e.Bytes, Offset: e.Offset, PacketSize: s.packetSize, Entries: true, Room: v.Room() - reserve}, out)
	if r.Bad != "" {
		s.close(v, s.where()+": "+r.Bad)
		return
	}
	s.packetSize = r.PacketSize
	if r.Fed {
		v.Feed(s.conn, out)
	}
	if r.Used > 0 {
		v.Consume(s.conn, e.Offset+uint64(r.Used))
	}
	switch {
	case r.End:
		s.close(v, s.where()+" ended the stream")
	case r.Need > 0:
		s.await(e, r.Need, v)
	}
}

// maxNeed is the most that one DATA brings, bytes (spec.md §9).
const maxNeed = 96 << 10

// await asks for n unconsumed bytes; behind the last ones END follows by itself.
func (s *state) await(e *abi.Data, n int, v *sdk.Verdicts) {
	switch {
	case n > maxNeed:
		s.close(v, s.where()+": the stream's beginning is longer than "+strconv.Itoa(maxNeed)+" bytes")
	case e.Flags&abi.DataLast == 0:
		v.Need(s.conn, n)
	}
}
