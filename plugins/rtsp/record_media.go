package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
)

const (
	// maxFrame is the longest packet that is taken, bytes. Chosen: encoders send no more
	// than a network's packet; what it makes fits the outbox in any case.
	maxFrame = 32 << 10
	// recordReserve is what must be free in the outbox for a packet, bytes: what it may
	// grow to, and the state.
	recordReserve = 120 << 10
	// maxHeldBytes bounds the datagrams of a track that wait for those before them
	// (chosen: the state has 64 KiB).
	maxHeldBytes = 10 << 10
	// maxOpus bounds a packet of Opus, bytes (RFC 6716 3.2: two frames of 1,275 are usual).
	maxOpus = 3000
	// quiet is for how long an encoder may send nothing, ns. Chosen: as a flow without a
	// peer (spec.md §6.17).
	quiet = 10 * nanosPerSecond
)

// recordFrame takes an interleaved frame (RFC 2326 10.12).
func (p *plugin) recordFrame(s *state, f *frame, v *sdk.Verdicts) {
	if s.rec.phase != recLive || len(f.payload) > maxFrame {
		return
	}
	s.rec.heard = s.seen
	for i := range s.rec.tracks {
		t := &s.rec.tracks[i]
		switch {
		case t.by != byChannel:
		case t.rtp == f.channel:
			p.channel(s, t, f, v)
			return
		case t.rtcp == f.channel:
			s.rec.report(t, f.payload, s.seen)
			return
		}
	}
}

// channel takes an RTP packet of a connection, where order is kept and nothing is lost but
// by the encoder.
func (p *plugin) channel(s *state, t *medium, f *frame, v *sdk.Verdicts) {
	head, err := rtp.Parse(f.payload)
	if err != nil || head.Type != t.kind {
		return
	}
	lost := t.in.follow(&head)
	pieces := v.Pieces()
	if t.coding == codingTS {
		if head.To == head.From {
			return
		}
		pieces.Input(f.at+uint64(head.From), head.To-head.From)
	} else {
		k := &p.sink
		*k = unitSink{r: &s.rec, t: t, out: k.out[:0]}
		k.packet(&head, f.payload[head.From:head.To], lost)
		if len(k.out) == 0 {
			return
		}
		pieces.Literal(k.out)
	}
	v.Feed(1, pieces)
}

// follow takes note of the next packet, and tells whether some are missing before it.
func (n *input) follow(head *rtp.Packet) (gap bool) {
	if !n.began || head.SSRC != n.ssrc {
		gap = n.began
		*n = input{began: true, ssrc: head.SSRC, highest: uint32(head.Sequence), window: n.window, held: n.held}
		n.told = n.highest - 1
		return gap
	}
	step := uint32(head.Sequence - uint16(n.highest)) // 1: none is missing
	n.highest += step
	if step != 1 {
		n.lost += uint64(step - 1)
	}
	return step != 1
}

// packet takes the payload of a track's next packet.
func (k *unitSink) packet(head *rtp.Packet, b []byte, lost bool) {
	switch k.t.coding {
	case codingH264:
		k.t.h264.Push(head, b, lost, k)
	case codingAAC:
		k.t.aac.Push(head, b, lost, k)
	case codingMPA:
		rtp.PushMPEGAudio(head, b, k)
	case codingOpus:
		if len(b) == 0 || len(b) > maxOpus {
			return
		}
		var raw [16]byte
		control := mpegts.AppendOpusHead(raw[:0], len(b))
		k.Begin(rtp.Unit{Timestamp: head.Timestamp, Key: true, Size: len(control) + len(b)})
		k.Write(control)
		k.Write(b)
		k.End()
	case codingTS:
		k.out = append(k.out, b...)
	}
}

// report takes an RTCP packet.
func (r *recording) report(t *medium, b []byte, now int64) {
	if report, ok := rtp.SenderReport(b); ok {
		r.hear(t, report, now)
	}
}

// datagrams takes what came in a track's flow.
func (p *plugin) datagrams(s *state, e *abi.Datagrams, v *sdk.Verdicts) {
	s.seen, s.rec.heard = e.MonoNano, e.MonoNano
	if s.rec.phase != recLive {
		return
	}
	var t *medium
	for i := range s.rec.tracks {
		if o := &s.rec.tracks[i]; o.by == byFlow && (uint32(o.rtp) == e.Conn || uint32(o.rtcp) == e.Conn) {
			t = o
		}
	}
	if t == nil {
		return
	}
	k := &p.sink
	*k = unitSink{r: &s.rec, t: t, out: k.out[:0]}
	was, dropped, at := t.in.window.Lost, e.Lost, 0
	for d := range e.Datagrams.All() {
		b := e.Bytes[at : at+int(d.Size)]
		at += len(b)
		switch {
		case uint32(t.rtcp) == e.Conn:
			s.rec.report(t, b, e.MonoNano)
		case len(b) > maxFrame || len(k.out)+recordReserve > v.Room():
			dropped++
		default:
			k.datagram(b, e.MonoNano)
		}
	}
	if len(k.out) > 0 {
		pieces := v.Pieces()
		pieces.Literal(k.out)
		v.Feed(e.Conn, pieces)
	}
	if dropped > 0 {
		v.Metric("record_dropped", dropped)
	}
	if n := t.in.window.Lost - was; n > 0 {
		v.Metric("record_lost", n)
	}
}

// datagram takes a packet of a flow in its turn.
func (k *unitSink) datagram(b []byte, now int64) {
	head, err := rtp.Parse(b)
	if err != nil || head.Type != k.t.kind {
		return
	}
	n := &k.t.in
	offset := uint64(len(n.held))
	n.held = append(n.held, b...)
	n.window.Push(&head, rtp.Span{Offset: offset, Size: uint32(len(b))}, now)
	waits := k.drain()
	if waits && len(n.held) > maxHeldBytes {
		n.window.Flush()
		waits = k.drain()
	}
	if !waits {
		n.held = n.held[:0]
	}
}

// drain takes the packets that are in order, and tells whether others wait.
func (k *unitSink) drain() (waits bool) {
	n := &k.t.in
	for span, ok := n.window.Pop(); ok; span, ok = n.window.Pop() {
		if span.Offset+uint64(span.Size) > uint64(len(n.held)) {
			continue // a state that this plugin has not written
		}
		b := n.held[span.Offset : span.Offset+uint64(span.Size)]
		head, err := rtp.Parse(b)
		if err != nil {
			continue
		}
		k.packet(&head, b[head.From:head.To], n.follow(&head))
	}
	_, waits = n.window.Oldest()
	return waits
}

// flowOf is the connection number of a track's RTP flow; its RTCP flow has the next.
func flowOf(i int) uint8 { return uint8(2 + 2*i) }

// lookUp sends a receiver report for each track that comes in flows, or ends a session
// whose encoder has fallen silent.
func (s *state) lookUp(now int64, v *sdk.Verdicts) {
	if s.rec.phase != recLive {
		return
	}
	if now-s.rec.heard >= quiet {
		s.finish(v, abi.CloseNow, "the encoder has sent nothing for 10 s")
		return
	}
	v.SetTimer(reportTimer, reportEvery)
	for i := range s.rec.tracks {
		t := &s.rec.tracks[i]
		if t.by != byFlow || !t.in.began {
			continue
		}
		r := rtp.Reception{Own: uint32(s.id), Of: t.in.ssrc, Lost: t.in.lost, Highest: t.in.highest, Fraction: t.in.fraction()}
		if t.clock.reported {
			r.Last = uint32(t.clock.report.NTP >> 16)
			r.Delay = uint32((now - t.clock.heard) / 1000 * 65_536 / 1_000_000)
		}
		k := v.Pieces()
		k.Literal(rtp.AppendReceiverReport(nil, &r))
		v.Send(uint32(t.rtcp), k)
	}
}

// fraction gives what was lost since it was asked last, in 256ths (RFC 3550 A.3).
func (n *input) fraction() uint8 {
	expected, lost := uint64(n.highest-n.told), n.lost-n.toldLost
	n.told, n.toldLost = n.highest, n.lost
	if expected == 0 {
		return 0
	}
	return uint8(min(lost*256/expected, 255))
}
