package asf

import (
	"bytes"
	"testing"
)

// FuzzRecorded: of whatever parses a header is made that parses and says how much the file
// holds; the rest of it, and what does not parse, stays as it is.
func FuzzRecorded(f *testing.F) {
	f.Add(load(f, "wmv2.asfstream").header, uint64(3), uint64(70_000))
	f.Fuzz(func(t *testing.T, b []byte, packets, length uint64) {
		packets &= 1<<32 - 1
		before, failed := ParseHeader(b)
		was := bytes.Clone(b)
		err := Recorded(b, Recording{Packets: packets, Play: length, Send: length})
		if (err != nil) != (failed != nil) || err != nil && !bytes.Equal(b, was) {
			t.Fatalf("%v where parsing gave %v", err, failed)
		}
		if err != nil {
			return
		}
		h, err := ParseHeader(b)
		if err != nil || h.DataPackets != packets || h.DataSize != DataHeadSize+packets*uint64(h.PacketSize) || h.Flags&3 != 2 || h.PacketSize != before.PacketSize || h.FileID != before.FileID {
			t.Errorf("%+v, %v", h, err)
		}
	})
}
