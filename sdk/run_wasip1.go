//go:build wasip1

package sdk

import (
	"unsafe"

	"github.com/weir-media/weir/abi/v1"
)

var (
	registered *Plugin
	inbox      [abi.UsualBox]byte
	outbox     [abi.UsualBox]byte
)

// Register makes newPlugin's plugin the one of this module. Call it from an init
// function: a reactor's main does not run.
func Register(newPlugin func() *Plugin) { registered = newPlugin() }

// Main is what a plugin's main function calls; in a reactor it never runs.
func Main() {}

//go:wasmexport weir_abi_1
func marker() int32 { return abi.Minor }

// Kinds of buffer (spec.md §2).
const (
	kindInbox  = 0
	kindOutbox = 1
)

//go:wasmexport weir_buf
func buffer(kind int32) int64 {
	switch kind {
	case kindInbox:
		return address(&inbox)
	case kindOutbox:
		return address(&outbox)
	}
	return int64(abi.EINVAL)
}

func address(b *[abi.UsualBox]byte) int64 {
	return int64(uintptr(unsafe.Pointer(b)))<<32 | int64(len(b))
}

//go:wasmexport weir_call
func call(n int32) int32 {
	if registered == nil || n < 0 || int(n) > len(inbox) {
		return int32(abi.EINVAL)
	}
	return registered.Call(inbox[:n], outbox[:])
}

//go:wasmimport weir_1 log
func hostLog(level int32, ptr unsafe.Pointer, n int32)

func emit(level Level, text string) {
	hostLog(int32(level), unsafe.Pointer(unsafe.StringData(text)), int32(len(text)))
}
