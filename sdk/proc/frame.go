//go:build !wasip1

package proc

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Frame is the message Frame of weir.proto. The zero value is an empty frame, and ready
// to be received into: Records is then a view that the next Frame received into the same
// value overwrites.
type Frame struct {
	ID      uint64
	Records []byte
	Status  int32

	buffer []byte // what Records is a view of
}

// Numbers of the fields in weir.proto.
const (
	fieldID      = 1
	fieldRecords = 2
	fieldStatus  = 3
)

// Envelope is the most bytes that a Frame has besides its records: three tags of a byte,
// and the longest varints of an id, a length and a status.
const Envelope = 3 + 10 + 5 + 10

var errTruncated = errors.New("frame: cut short or malformed")

func (f *Frame) size() int {
	return 1 + protowire.SizeVarint(f.ID) + 1 + protowire.SizeBytes(len(f.Records)) + 1 + protowire.SizeVarint(uint64(int64(f.Status)))
}

// appendTo appends the wire form to b.
func (f *Frame) appendTo(b []byte) []byte {
	b = protowire.AppendTag(b, fieldID, protowire.VarintType)
	b = protowire.AppendVarint(b, f.ID)
	b = protowire.AppendTag(b, fieldRecords, protowire.BytesType)
	b = protowire.AppendBytes(b, f.Records)
	if f.Status != 0 {
		b = protowire.AppendTag(b, fieldStatus, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(int64(f.Status)))
	}
	return b
}

// parse sets f from its wire form. Records is a view of b. Unknown fields are skipped.
func (f *Frame) parse(b []byte) error {
	f.ID, f.Records, f.Status = 0, nil, 0
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errTruncated
		}
		b = b[n:]
		switch {
		case number == fieldRecords && kind == protowire.BytesType:
			f.Records, n = protowire.ConsumeBytes(b)
		case number == fieldID && kind == protowire.VarintType:
			f.ID, n = protowire.ConsumeVarint(b)
		case number == fieldStatus && kind == protowire.VarintType:
			var v uint64
			v, n = protowire.ConsumeVarint(b)
			f.Status = int32(v)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return errTruncated
		}
		b = b[n:]
	}
	return nil
}

// manifestReply is the message ManifestReply of weir.proto.
type manifestReply struct{ manifest []byte }

const fieldManifest = 1

func (m *manifestReply) appendTo(b []byte) []byte {
	b = protowire.AppendTag(b, fieldManifest, protowire.BytesType)
	return protowire.AppendBytes(b, m.manifest)
}

// parse sets m from its wire form, which it copies.
func (m *manifestReply) parse(b []byte) error {
	m.manifest = nil
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errTruncated
		}
		b = b[n:]
		if number == fieldManifest && kind == protowire.BytesType {
			var text []byte
			text, n = protowire.ConsumeBytes(b)
			m.manifest = append([]byte(nil), text...)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return errTruncated
		}
		b = b[n:]
	}
	return nil
}

// manifestRequest is the message ManifestRequest of weir.proto.
type manifestRequest struct{}
