package asf

// Recording is what a file that is complete holds.
type Recording struct {
	Packets uint64
	Created uint64 // 100 ns since 1601, UTC; 0: as the header says
	Play    uint64 // 100 ns from the first presentation to the end of the last, without the preroll
	Send    uint64 // 100 ns from the first packet's send time to the end of the last
}

// Recorded makes a live stream's header that of a complete file, in place: file size, packet
// count, durations and the Data Object's size are written, the broadcast flag is cleared and
// the seekable one set (ASF 3.2, 5.1). What follows the packets, an index say, is not
// counted.
func Recorded(header []byte, r Recording) error {
	h, err := ParseHeader(header)
	if err != nil {
		return err
	}
	bytes := r.Packets * uint64(h.PacketSize)
	props := header[h.props:]
	le.PutUint64(props[40:], uint64(h.Size)+bytes)
	if r.Created != 0 {
		le.PutUint64(props[48:], r.Created)
	}
	le.PutUint64(props[56:], r.Packets)
	le.PutUint64(props[64:], r.Play+h.Preroll*ticksPerMs) // ASF 3.2: the preroll is part of it
	le.PutUint64(props[72:], r.Send)
	le.PutUint32(props[88:], h.Flags&^1|2)
	data := header[h.Size-DataHeadSize:]
	le.PutUint64(data[16:], DataHeadSize+bytes)
	le.PutUint64(data[40:], r.Packets)
	return nil
}

const ticksPerMs = 10_000 // of 100 ns
