package stream

import (
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// StartMode names the ways to begin reading.
type StartMode uint8

const (
	// StartLive begins with the next packet.
	StartLive StartMode = iota
	// StartKey begins with the newest key packet.
	StartKey
	// StartBurst begins with the newest key packet that is at least Back older
	// than the newest packet, else with the oldest key packet.
	StartBurst
	// StartSeq begins with packet Seq, or with what is nearest to it.
	StartSeq
	// StartTime begins with the newest key packet whose DTS is not after Time,
	// else with the oldest key packet.
	StartTime
)

// Start says where a cursor begins. The zero value is live. Where a key packet is
// wanted and the window has none, the cursor waits for the next one and passes
// over what comes before. A key packet counts only under the newest header: a
// reader that begins under an older one would meet the change at once.
type Start struct {
	Mode StartMode
	Back time.Duration
	Seq  uint64
	Time media.Time
}

// Cursor gives a reader's place in the log. The header of its first packet counts
// as taken: Header gives it.
func (l *Log) Cursor(s Start) Cursor {
	c := Cursor{log: l}
	seq, ok := uint64(0), false
	switch s.Mode {
	case StartSeq:
		oldest, next := l.Bounds()
		seq, ok = min(max(s.Seq, oldest), next), true
	case StartKey:
		seq, ok = l.LastKey()
	case StartBurst:
		if s.Back <= 0 {
			seq, ok = l.LastKey()
		} else {
			seq, ok = l.keyAt(l.LastDTS() - media.FromDuration(s.Back))
		}
	case StartTime:
		seq, ok = l.keyAt(s.Time)
	}
	byKey := s.Mode != StartLive && s.Mode != StartSeq
	if !ok || !c.seek(seq) || byKey && c.chunk.header != l.Header() {
		c.toLive()
		c.wait = byKey
	}
	c.header = c.chunk.header
	return c
}

// keyAt gives the newest key packet under the newest header whose DTS is not after t,
// else the oldest.
func (l *Log) keyAt(t media.Time) (seq uint64, ok bool) {
	newest := l.Header()
	for k := l.oldest.Load(); k != nil; {
		if k.header == newest {
			var past bool
			if seq, ok, past = k.keyAt(t, seq, ok); past {
				return seq, true
			}
		}
		next := k.next.Load()
		if next == nil && k.gone.Load() {
			next, ok = l.oldest.Load(), false
		}
		k = next
	}
	return seq, ok
}

// keyAt improves on the key packet seq that older chunks gave, if ok. It tells
// whether it met a key packet that is past t.
func (k *chunk) keyAt(t media.Time, seq uint64, ok bool) (uint64, bool, bool) {
	n := k.n.Load()
	if n == 0 || k.recs[n-1].key == 0 {
		return seq, ok, false
	}
	if newest := k.recs[n-1].key - 1; k.recs[newest].dts <= t {
		return k.first + uint64(newest), true, false
	}
	for i, r := range k.recs[:n] {
		if !r.flags.Has(media.Key) {
			continue
		}
		if ok && r.dts > t {
			return seq, ok, true
		}
		seq, ok = k.first+uint64(i), true
	}
	return seq, ok, false
}
