//go:build !wasip1

package proc

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec writes and reads the messages of weir.proto without reflection, and leaves all
// others to gRPC's own. It is safe for concurrent use.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

type codec struct{ encoding.CodecV2 }

// Marshal copies what is sent, once: gRPC goes on reading it after SendMsg has returned.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *Frame:
		n := m.size()
		if mem.IsBelowBufferPoolingThreshold(n) {
			return mem.BufferSlice{mem.SliceBuffer(m.appendTo(make([]byte, 0, n)))}, nil
		}
		pool := mem.DefaultBufferPool()
		b := pool.Get(n)
		*b = m.appendTo((*b)[:0])
		return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
	case *manifestReply:
		return mem.BufferSlice{mem.SliceBuffer(m.appendTo(nil))}, nil
	case *manifestRequest:
		return mem.BufferSlice{}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal copies what arrived into the Frame's own buffer, once: it comes in pieces.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *Frame:
		n := data.Len()
		if cap(m.buffer) < n {
			m.buffer = make([]byte, n, max(n, 2*cap(m.buffer)))
		}
		m.buffer = m.buffer[:n]
		data.CopyTo(m.buffer)
		return m.parse(m.buffer)
	case *manifestReply:
		return m.parse(data.Materialize())
	case *manifestRequest:
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
