//go:build !wasip1

package proc

import (
	"bytes"
	"math"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// message describes Frame as weir.proto does, for protobuf's own codec.
func message(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	}
	f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("weir.proto"), Syntax: proto.String("proto3"), Package: proto.String("weir.v1"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Frame"), Field: []*descriptorpb.FieldDescriptorProto{
			field("id", fieldID, descriptorpb.FieldDescriptorProto_TYPE_UINT64),
			field("records", fieldRecords, descriptorpb.FieldDescriptorProto_TYPE_BYTES),
			field("status", fieldStatus, descriptorpb.FieldDescriptorProto_TYPE_INT32),
		}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Messages().ByName("Frame")
}

func TestFrameIsProtobuf(t *testing.T) {
	described := message(t)
	fields := described.Fields()
	for _, f := range []Frame{{}, {ID: 1}, {ID: math.MaxUint64, Records: bytes.Repeat([]byte{7}, 300_000), Status: -13}, {Records: []byte("x"), Status: math.MinInt32}, {Status: math.MaxInt32}} {
		wire := f.appendTo(nil)
		if n := f.size(); n < len(wire) || n > len(f.Records)+Envelope {
			t.Errorf("size %d for %d bytes, of them %d records", n, len(wire), len(f.Records))
		}
		m := dynamicpb.NewMessage(described)
		if err := proto.Unmarshal(wire, m); err != nil {
			t.Fatal(err)
		}
		id, records, status := m.Get(fields.ByNumber(fieldID)).Uint(), m.Get(fields.ByNumber(fieldRecords)).Bytes(), m.Get(fields.ByNumber(fieldStatus)).Int()
		if id != f.ID || !bytes.Equal(records, f.Records) || status != int64(f.Status) {
			t.Errorf("protobuf reads %d, %d bytes, %d of %d, %d bytes, %d", id, len(records), status, f.ID, len(f.Records), f.Status)
		}
		theirs, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{wire, theirs, protowire.AppendVarint(protowire.AppendTag(bytes.Clone(theirs), 99, protowire.VarintType), 5)} {
			var got Frame
			if err := got.parse(b); err != nil || got.ID != f.ID || !bytes.Equal(got.Records, f.Records) || got.Status != f.Status {
				t.Errorf("%d bytes: %+v, %v", len(b), got.ID, err)
			}
		}
	}
}

func TestManifestIsProtobuf(t *testing.T) {
	var got manifestReply
	if err := got.parse((&manifestReply{[]byte("name: x")}).appendTo(nil)); err != nil || string(got.manifest) != "name: x" {
		t.Errorf("%q %v", got.manifest, err)
	}
	if err := got.parse([]byte{0x0a, 9, 1}); err == nil {
		t.Error("a text that is cut short is read")
	}
}

// TestCodec: a frame comes back as it was, from one buffer or several, and small ones cost nothing to read.
func TestCodec(t *testing.T) {
	c := Codec()
	for _, n := range []int{0, 10, 1 << 10, 200_000} {
		f := Frame{ID: 9, Records: bytes.Repeat([]byte{3}, n), Status: -1}
		sent, err := c.Marshal(&f)
		if err != nil {
			t.Fatal(err)
		}
		whole := sent.Materialize()
		sent.Free()
		f.Records = nil // it was copied
		var got Frame
		half := len(whole) / 2
		pieces := mem.BufferSlice{mem.SliceBuffer(whole[:half]), mem.SliceBuffer(whole[half:])}
		if err := c.Unmarshal(pieces, &got); err != nil || got.ID != 9 || len(got.Records) != n || got.Status != -1 {
			t.Errorf("%d bytes: %d, %d, %d, %v", n, got.ID, len(got.Records), got.Status, err)
		}
		if allocations := testing.AllocsPerRun(100, func() { _ = c.Unmarshal(pieces, &got) }); allocations != 0 {
			t.Errorf("%d bytes: %v allocations to read", n, allocations)
		}
	}
	health := dynamicpb.NewMessage(message(t))
	if b, err := c.Marshal(health); err != nil || b.Len() != 0 {
		t.Errorf("a message of protobuf: %v", err)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add((&Frame{ID: 300, Records: []byte("records"), Status: -7}).appendTo(nil))
	f.Add([]byte{0x12, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{0x10, 1})
	described := message(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var got Frame
		err := got.parse(b)
		if err != nil {
			return
		}
		m := dynamicpb.NewMessage(described)
		if theirs := proto.Unmarshal(b, m); theirs != nil {
			return // protobuf judges names and unknown fields more strictly
		}
		fields := described.Fields()
		if m.Get(fields.ByNumber(fieldID)).Uint() != got.ID || !bytes.Equal(m.Get(fields.ByNumber(fieldRecords)).Bytes(), got.Records) ||
			m.Get(fields.ByNumber(fieldStatus)).Int() != int64(got.Status) {
			t.Errorf("%x: %d, %x, %d", b, got.ID, got.Records, got.Status)
		}
		var again Frame
		if err := again.parse(got.appendTo(nil)); err != nil || again.ID != got.ID || !bytes.Equal(again.Records, got.Records) || again.Status != got.Status {
			t.Errorf("%x: written and read again %v", b, err)
		}
	})
}
