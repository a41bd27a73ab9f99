package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
)

// kind is what a datagram holds.
type kind uint8

const (
	other  kind = iota
	bare        // packets of a transport stream
	framed      // RTP with such packets
)

func kindOf(b []byte) kind {
	if isTS(b) {
		return bare
	}
	if p, err := rtp.Parse(b); err == nil && p.Type == rtp.TypeMP2T && isTS(b[p.From:p.To]) {
		return framed
	}
	return other
}

// isTS tells packets of a transport stream by their sync bytes (ISO/IEC 13818-1 2.4.3.2).
// The last may be cut: there are senders that fill datagrams without a thought to packets.
func isTS(b []byte) bool {
	whole := mpegts.Whole(b)
	return whole > 0 && (whole == len(b) || b[whole] == 'G' && len(b)-whole < mpegts.PacketSize)
}

func (s *state) datagrams(e *abi.Datagrams, v *sdk.Verdicts) {
	switch s.phase {
	case sniffing:
		s.sniff(e, v)
	case ordering:
		s.order(e, v, 0)
	}
	if e.Lost > 0 {
		v.Metric("datagrams_dropped", e.Lost)
	}
}

// sniff publishes with the first datagram that can be used.
func (s *state) sniff(e *abi.Datagrams, v *sdk.Verdicts) {
	at := 0
	for d := range e.Datagrams.All() {
		size := int(d.Size)
		switch kindOf(e.Bytes[at : at+size]) {
		case bare:
			v.Publish(s.point, "bytes:mpegts", 0)
			p := v.Pieces()
			p.Input(e.Offset+uint64(at), len(e.Bytes)-at)
			v.Feed(uint32(s.conn), p)
			v.FeedThrough(uint32(s.conn))
			s.phase = through
			return
		case framed:
			v.Publish(s.point, "bytes:mpegts", 0)
			s.phase = ordering
			s.order(e, v, at)
			return
		}
		s.odd = min(s.odd+1, maxOdd)
		at += size
	}
	s.useless(v)
}

// useless tells that what comes is no transport stream.
func (s *state) useless(v *sdk.Verdicts) {
	const what = "brings neither an MPEG transport stream nor one in RTP (payload type 33); send one, for example with: ffmpeg ... -f mpegts \"udp://HOST:PORT?pkt_size=1316\""
	switch {
	case s.odd < maxOdd:
	case s.conn == dialed:
		s.close(v, string(s.from)+" "+what)
	default:
		s.warn(what)
	}
}

// order feeds the payloads of RTP packets, from byte from of the event on, in the order of
// their sequence numbers. What has to wait is retained.
func (s *state) order(e *abi.Datagrams, v *sdk.Verdicts, from int) {
	was := s.window
	p := v.Pieces()
	fed, odd, at := false, uint64(0), 0
	for d := range e.Datagrams.All() {
		b := e.Bytes[at : at+int(d.Size)]
		if at >= from {
			head, err := rtp.Parse(b)
			if err == nil && head.Type == rtp.TypeMP2T {
				s.window.Push(&head, rtp.Span{Offset: e.Offset + uint64(at+head.From), Size: uint32(head.To - head.From)}, e.MonoNano)
				fed = s.pop(p) || fed
			} else {
				odd++
			}
		}
		at += len(b)
	}
	if fed {
		v.Feed(uint32(s.conn), p)
	}
	oldest, waits := s.window.Oldest()
	switch {
	case waits:
		v.Retain(uint32(s.conn), oldest)
	case s.held:
		v.Retain(uint32(s.conn), e.Offset+uint64(len(e.Bytes)))
	}
	s.held = s.held || waits
	s.count(v, was, odd)
}

// pop takes what is in order.
func (s *state) pop(p *sdk.Pieces) (some bool) {
	for span, ok := s.window.Pop(); ok; span, ok = s.window.Pop() {
		if span.Size > 0 {
			p.Input(span.Offset, int(span.Size))
			some = true
		}
	}
	return some
}

func (s *state) count(v *sdk.Verdicts, was rtp.Window, odd uint64) {
	for _, c := range [...]struct {
		name string
		n    uint64
	}{
		{"rtp_lost", s.window.Lost - was.Lost},
		{"rtp_late", s.window.Late - was.Late},
		{"rtp_odd", s.window.Odd - was.Odd + odd},
	} {
		if c.n > 0 {
			v.Metric(c.name, c.n)
		}
	}
}
