package wasm

import "github.com/tetratelabs/wazero/experimental"

// linear is one instance's memory. It is wazero's allocator and its only allocation, so that the host knows when it refused to grow it, and so that
// growing in small steps does not copy all memory each time. It lies in Go's heap, where GOMEMLIMIT counts it and where a view that outlives the
// instance is harmless. While it moves the old bytes are there as well, and until the next garbage collection.
type linear struct {
	limit   uint64 // bytes
	tank    *tank  // is asked while memory moves; nil: nobody
	bytes   []byte
	refused bool // since the current call began
}

// Allocate implements experimental.MemoryAllocator. most is what the module declares.
func (m *linear) Allocate(_, most uint64) experimental.LinearMemory {
	m.limit = min(m.limit, most)
	return m
}

// Reallocate implements experimental.LinearMemory.
func (m *linear) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	if size > uint64(cap(m.bytes)) {
		grown := make([]byte, len(m.bytes), min(m.limit, max(size, 2*uint64(cap(m.bytes)))))
		for at := 0; at < len(grown); at += pieceBytes { // Go does not interrupt a copy: 128 MiB were 88 ms
			copy(grown[at:min(at+pieceBytes, len(grown))], m.bytes[at:])
			if m.tank != nil {
				m.tank.refuel()
			}
		}
		m.bytes = grown
	}
	m.bytes = m.bytes[:size]
	return m.bytes
}

// Free implements experimental.LinearMemory.
func (m *linear) Free() { m.bytes = nil }

// full reports whether the current call ran into the limit, or stands so close to it that the module's own declaration refused more.
func (m *linear) full() bool { return m.refused || uint64(len(m.bytes))+MemoryPage > m.limit }
