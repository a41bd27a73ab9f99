//go:build wasip1

package main

import (
	"bytes"
	"unsafe"

	"github.com/weir-media/weir/abi/v1"
)

var (
	inbox, outbox [abi.UsualBox]byte

	reader  abi.Reader
	writer  abi.Writer
	request abi.HTTPRequest
)

//go:wasmexport weir_abi_1
func marker() int32 { return abi.Minor }

//go:wasmexport weir_buf
func buffer(kind int32) int64 {
	b := &inbox
	if kind != 0 {
		b = &outbox
	}
	return int64(uintptr(unsafe.Pointer(b)))<<32 | int64(len(b))
}

//go:wasmexport weir_call
func call(n int32) int32 {
	if reader.Reset(inbox[:n]) != nil {
		return int32(abi.EINVAL)
	}
	writer.Reset(outbox[:])
	for {
		raw, ok, err := reader.Next()
		if err != nil {
			return int32(abi.EINVAL)
		}
		if !ok {
			return int32(len(writer.Bytes()))
		}
		if raw.Op != abi.OpHTTPRequest || reader.Decode(raw, &request) != nil {
			continue
		}
		session := raw.Session
		if bytes.Equal(request.Query, []byte("sin")) {
			copy(outbox[:], bytes.Repeat([]byte{0xFF}, 64))
			return 64
		}
		_ = writer.Put(session, 0, &abi.HTTPResponse{Status: 200, Flags: abi.ResponseClose})
	}
}
