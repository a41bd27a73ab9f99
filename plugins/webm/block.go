package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/matroska"
)

// takeTimestamp reads the time of a cluster (RFC 9559 5.1.3.1).
func (s *state) takeTimestamp(e matroska.Element, b []byte, offset uint64) (n, need int, err error) {
	size := uint64(e.Head) + e.Size
	switch {
	case s.phase != atMedia || e.Size > 8:
		return 0, 0, bad("a Timestamp stands where none can", offset)
	case size > uint64(len(b)):
		return 0, int(size), nil
	}
	s.cluster, _ = matroska.Unsigned(b[e.Head:size])
	if s.cluster > maxTime/s.scale {
		return 0, 0, bad("the Timestamp of a cluster is too large", offset)
	}
	s.timed, s.fresh = true, true
	return int(size), 0, nil
}

// takeBlock takes a block or a group, or begins to take a long one.
func (s *state) takeBlock(e matroska.Element, b []byte, offset uint64, v *sdk.Verdicts) (n, need int, err error) {
	size := uint64(e.Head) + e.Size
	switch {
	case s.phase != atMedia || !s.timed:
		return 0, 0, bad("a block stands before its cluster's Timestamp", offset)
	case size > maxBlock:
		return 0, 0, bad("a block has more than 4000 KiB", offset)
	case size <= maxWhole && size > uint64(len(b)):
		return 0, int(size), nil
	case len(b) < e.Head+2*matroska.MaxHead && uint64(len(b)) < size:
		return 0, e.Head + 2*matroska.MaxHead, nil
	}
	isWhole := size <= uint64(len(b))
	body := b[e.Head:min(size, uint64(len(b)))]
	var k matroska.Block
	switch {
	case e.ID == matroska.IDSimpleBlock:
		k, err = matroska.ParseSimpleBlock(body)
	case isWhole:
		k, err = matroska.ParseGroup(body)
	default:
		k, err = matroska.ParseGroupHead(body)
	}
	if err != nil {
		return 0, 0, bad("a block is damaged", offset)
	}
	if !isWhole {
		s.long = long{from: offset, size: size, track: k.Track, time: k.Time, key: k.Key}
		return len(b), 0, nil
	}
	s.emit(k, offset, int(size), v)
	return int(size), 0, nil
}

// goOn takes what has come of a long block: n bytes at offset, or as many of them as are
// its own.
func (s *state) goOn(n int, offset uint64, v *sdk.Verdicts) int {
	end := s.long.from + s.long.size
	if offset+uint64(n) < end {
		return n
	}
	l := s.long
	s.long = long{}
	s.emit(matroska.Block{Track: l.track, Time: l.time, Key: l.key}, l.from, int(l.size), v)
	return int(end - offset)
}

// emit sends the element of a block, n bytes of the input at offset. A packet at which
// players may begin, and the first one of a cluster, has the head of a cluster before it:
// clusters have no known size here, so that one ends where the next begins, and several
// may have one and the same time.
func (s *state) emit(b matroska.Block, offset uint64, n int, v *sdk.Verdicts) {
	pts, moved, jumped := s.clock.place(int64(s.cluster), int64(b.Time), int64(s.scale))
	k := abi.Packet{PTS: pts, DTS: s.clock.dts, Track: uint16(b.Track)}
	if s.clock.isKey(s.kind(b), s.fresh) {
		k.Flags |= abi.PacketKey
	}
	if s.mark || jumped {
		k.Flags |= abi.PacketDiscontinuity
		s.mark = false
	}
	p := v.Pieces()
	if s.fresh || moved || k.Flags&abi.PacketKey != 0 {
		var head [matroska.ClusterHead]byte
		p.Literal(matroska.AppendCluster(head[:0], uint64(max(int64(s.cluster)+s.clock.shift, 0))))
		s.fresh = false
	}
	p.Input(offset, n)
	v.Packet(k, p)
}

func (s *state) kind(b matroska.Block) kind {
	switch {
	case s.video == 0:
		return sound
	case b.Track != s.video:
		return beside
	case b.Key:
		return keyPicture
	}
	return picture
}
