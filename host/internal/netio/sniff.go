package netio

import (
	"bytes"
	"fmt"
	"math/bits"
)

// SniffBytes is how far into a connection a Pattern may reach: chosen, so that
// one small buffer holds what sniffing reads.
const SniffBytes = 512

// mmsGreeting opens an MMS-over-TCP connection (MS-MMSP 2.2.3; wire digest 7.1).
var mmsGreeting = []byte{0x01, 0x00, 0x00, 0x00, 0xCE, 0xFA, 0x0B, 0xB0}

// Pattern is the byte pattern by which a raw protocol is known. The bytes from
// Offset on are compared with Bytes where Mask has bits set; an empty Mask
// compares all. Plugin is handed to ServeRaw and means nothing to netio.
type Pattern struct {
	Plugin string
	Offset int // bytes
	Bytes  []byte
	Mask   []byte
	RTSP   bool // instead of bytes: whatever speaks RTSP
}

// match is how a connection's first bytes compare with something it may be.
type match struct {
	full     bool // all compared bytes agree
	possible bool // full, or more bytes could make it so
	bits     int  // bits compared so far
}

func (p *Pattern) validate() error {
	switch {
	case p.RTSP && len(p.Bytes) > 0:
		return fmt.Errorf("pattern of %q: RTSP and bytes", p.Plugin)
	case p.RTSP:
		return nil
	case len(p.Bytes) == 0:
		return fmt.Errorf("pattern of %q: no bytes", p.Plugin)
	case len(p.Mask) != 0 && len(p.Mask) != len(p.Bytes):
		return fmt.Errorf("pattern of %q: mask of %d bytes for %d", p.Plugin, len(p.Mask), len(p.Bytes))
	case p.Offset < 0 || p.Offset > SniffBytes-len(p.Bytes):
		return fmt.Errorf("pattern of %q: reaches beyond the first %d bytes", p.Plugin, SniffBytes)
	case p.significantBits() == 0:
		return fmt.Errorf("pattern of %q: its mask compares nothing", p.Plugin)
	}
	return nil
}

func (p *Pattern) mask(i int) byte {
	if len(p.Mask) == 0 {
		return 0xFF
	}
	return p.Mask[i]
}

func (p *Pattern) significantBits() (n int) {
	for i := range p.Bytes {
		n += bits.OnesCount8(p.mask(i))
	}
	return n
}

func (p *Pattern) compare(b []byte) (m match) {
	for i, want := range p.Bytes {
		at := p.Offset + i
		if at >= len(b) {
			m.possible = true
			return m
		}
		if (b[at]^want)&p.mask(i) != 0 {
			return match{}
		}
		m.bits += bits.OnesCount8(p.mask(i))
	}
	m.full, m.possible = true, true
	return m
}

// table is what a listener's connections may turn out to be: immutable.
type table struct {
	http     bool
	rtsp     bool   // somebody takes RTSP
	rtspTo   string // who
	patterns []Pattern
}

func newTable(http bool, patterns []Pattern) (*table, error) {
	t := &table{http: http, patterns: make([]Pattern, 0, len(patterns))}
	for _, p := range patterns {
		if err := p.validate(); err != nil {
			return nil, err
		}
		if p.RTSP {
			if t.rtsp && t.rtspTo != p.Plugin {
				return nil, fmt.Errorf("both %q and %q take RTSP", t.rtspTo, p.Plugin)
			}
			t.rtsp, t.rtspTo = true, p.Plugin
			continue
		}
		p.Bytes, p.Mask = bytes.Clone(p.Bytes), bytes.Clone(p.Mask)
		t.patterns = append(t.patterns, p)
	}
	return t, nil
}

// verdict is the judgement over a connection's first bytes.
type verdict struct {
	outcome Outcome
	plugin  string // of OutcomeRaw
	decided bool   // the outcome is known
	more    bool   // further bytes could still change it for the better
}

// scan judges b, of which the first seen bytes were judged before without a
// final verdict. The first final verdict holds, so that it does not depend on
// how the bytes were cut into segments.
func (t *table) scan(b []byte, seen int) (v verdict) {
	for n := seen + 1; n <= len(b); n++ {
		v = t.classify(b[:n])
		if v.decided && !v.more {
			break
		}
	}
	if v.decided && v.outcome == OutcomeUnknown {
		v.outcome = stranger(b)
	}
	return v
}

// classify judges b, the first bytes of a connection. Of several patterns that
// match, the one that compares most bits wins, then the first; any pattern
// beats RTSP and HTTP. A better candidate is worth waiting for once a bit of it
// agreed.
func (t *table) classify(b []byte) verdict {
	var v verdict
	best := -1 // bits of what v says
	if t.http || t.rtsp {
		switch kind := textKind(b); {
		case kind == textUnfinished:
			v.more = true
		case kind == textHTTP && t.http:
			v, best = verdict{outcome: OutcomeHTTP, decided: true}, 0
		case kind == textRTSP && t.rtsp:
			v, best = verdict{outcome: OutcomeRaw, plugin: t.rtspTo, decided: true}, 0
		}
	}
	for i := range t.patterns {
		if m := t.patterns[i].compare(b); m.full && m.bits > best {
			v, best = verdict{outcome: OutcomeRaw, plugin: t.patterns[i].Plugin, decided: true}, m.bits
		}
	}
	for i := range t.patterns {
		p := &t.patterns[i]
		m := p.compare(b)
		waits := m.possible && !m.full
		if v.decided {
			waits = waits && m.bits > 0 && p.significantBits() > best
		}
		v.more = v.more || waits
	}
	if !v.decided && !v.more {
		v.outcome, v.decided = OutcomeUnknown, true
	}
	return v
}

// stranger names bytes that nothing takes, as well as those at hand allow.
func stranger(b []byte) Outcome {
	switch {
	case len(b) >= 2 && b[0] == 0x16 && b[1] == 0x03: // handshake record, TLS major version (RFC 8446 5.1)
		return OutcomeTLS
	case bytes.HasPrefix(b, mmsGreeting):
		return OutcomeMMS
	case textKind(b) == textRTSP:
		return OutcomeRTSP
	}
	return OutcomeUnknown
}
