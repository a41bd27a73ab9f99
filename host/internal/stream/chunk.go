package stream

import (
	"sync/atomic"

	"github.com/weir-media/weir/host/internal/media"
)

// rec describes one packet of a chunk. Its bytes begin where the record before
// it ends.
type rec struct {
	pts, dts media.Time
	run      media.Time // the log's length up to here
	tag      uint64
	end      uint32 // offset in the chunk's data
	key      uint32 // 1 + index of the newest key packet up to here, 0 if none
	flags    media.Flags
	track    uint16
}

// chunk holds consecutive packets under one header. The writer fills data and
// recs and then raises n; what lies below n never changes again. Once next is
// set, or the log has ended, n is final.
type chunk struct {
	header *media.Header // nil before the log's first header
	first  uint64        // sequence number of the first packet
	base   uint64        // bytes of the log before this chunk
	last   media.Time    // DTS of the newest packet before this chunk
	run    media.Time    // the log's length before this chunk

	data []byte // set before n leaves zero, as recs
	recs []rec

	n    atomic.Uint32
	gone atomic.Bool           // left the window; set before next is cut
	next atomic.Pointer[chunk] // nil in the newest chunk and in a gone one
}

// start gives the offset of packet i in data.
func (k *chunk) start(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return k.recs[i-1].end
}

// newest gives the DTS of the newest packet up to this chunk's n-th.
func (k *chunk) newest(n uint32) media.Time {
	if n == 0 {
		return k.last
	}
	return k.recs[n-1].dts
}

// length gives the log's length up to this chunk's n-th packet.
func (k *chunk) length(n uint32) media.Time {
	if n == 0 {
		return k.run
	}
	return k.recs[n-1].run
}

// find gives the chunk that holds packet seq or will hold it, beginning at the
// oldest; nil if the packet has left the window.
func (l *Log) find(seq uint64) *chunk {
	k := l.oldest.Load()
	for {
		if seq < k.first {
			return nil
		}
		next := k.next.Load()
		switch {
		case next == nil && k.gone.Load():
			k = l.oldest.Load()
		case next == nil || seq < next.first:
			return k
		default:
			k = next
		}
	}
}
