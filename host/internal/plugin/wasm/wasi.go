package wasm

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
)

func answer(e errno) func(*guest, api.Module, []uint64) {
	return func(_ *guest, _ api.Module, stack []uint64) { stack[0] = uint64(e) }
}

// nothing says that there are no arguments and no environment: 0 strings of 0 bytes.
func nothing(_ *guest, mod api.Module, stack []uint64) {
	mem := mod.Memory()
	ok := mem.WriteUint32Le(uint32(stack[0]), 0) && mem.WriteUint32Le(uint32(stack[1]), 0)
	stack[0] = uint64(faultUnless(ok))
}

func faultUnless(ok bool) errno {
	if ok {
		return errnoSuccess
	}
	return errnoFault
}

// clockRes says that time is counted in nanoseconds.
func clockRes(_ *guest, mod api.Module, stack []uint64) {
	stack[0] = uint64(faultUnless(mod.Memory().WriteUint64Le(uint32(stack[1]), 1)))
}

// Clock ids (WASI preview1, "clockid").
const (
	clockRealtime = 0
	clockLast     = 3
)

// clockTime gives the time of the current event on every clock.
func clockTime(g *guest, mod api.Module, stack []uint64) {
	now := g.head.MonoNano
	switch id := uint32(stack[0]); {
	case id > clockLast:
		stack[0] = uint64(errnoInval)
		return
	case id == clockRealtime:
		now = g.head.UnixNano
	}
	// Go's runtime traps on the time 0 (abi.md, "Traps met").
	stack[0] = uint64(faultUnless(mod.Memory().WriteUint64Le(uint32(stack[2]), uint64(max(now, 1)))))
}

// Bounds of one call; chosen. A guest that wants more calls again. What it wants is done in pieces between which the tank is asked.
const (
	maxRandom  = 1 << 20  // bytes of one random_get
	maxWritten = 64 << 10 // bytes of one fd_write
)

func randomGet(g *guest, mod api.Module, stack []uint64) {
	if uint32(stack[1]) > maxRandom {
		stack[0] = uint64(errnoInval)
		return
	}
	b, ok := mod.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	if ok {
		g.tank.pieces(b, g.random)
	}
	stack[0] = uint64(faultUnless(ok))
}

// maxVectors is how many pieces one fd_write may have; chosen, libc writes at most two at once.
const maxVectors = 64

// fdWrite takes what the guest writes to its standard output and error into its log, as write(2) takes it: perhaps not all at once.
func fdWrite(g *guest, mod api.Module, stack []uint64) {
	fd, vectors, n, result := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	switch {
	case fd != 1 && fd != 2:
		stack[0] = uint64(errnoBadf)
		return
	case n > maxVectors:
		stack[0] = uint64(errnoInval)
		return
	}
	mem := mod.Memory()
	written := uint32(0)
	for i := range n {
		at, okAt := mem.ReadUint32Le(vectors + 8*i)
		size, okSize := mem.ReadUint32Le(vectors + 8*i + 4)
		b, ok := mem.Read(at, size)
		if !okAt || !okSize || !ok {
			stack[0] = uint64(errnoFault)
			return
		}
		b = b[:min(size, maxWritten-written)]
		g.tank.pieces(b, g.log.stream)
		written += uint32(len(b))
	}
	stack[0] = uint64(faultUnless(mem.WriteUint32Le(result, written)))
}

// Layout of poll_oneoff's records (WASI preview1, "subscription" and "event").
const (
	subscriptionSize = 48
	subscriptionTag  = 8 // offset
	eventSize        = 32
	tagClock         = 0
)

// pollOneoff ends every sleep at once, since time stands still during a call, and knows no descriptors. Go's runtime sleeps while it prints a panic:
// with an error here the guest would die of that error, and its panic would stay unknown.
func pollOneoff(_ *guest, mod api.Module, stack []uint64) {
	in, out, n, result := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if n == 0 || n > maxVectors {
		stack[0] = uint64(errnoInval)
		return
	}
	mem := mod.Memory()
	subscriptions, okIn := mem.Read(in, n*subscriptionSize)
	events, okOut := mem.Read(out, n*eventSize)
	if !okIn || !okOut || !mem.WriteUint32Le(result, n) {
		stack[0] = uint64(errnoFault)
		return
	}
	for i := range n {
		s, e := subscriptions[i*subscriptionSize:][:subscriptionSize], events[i*eventSize:][:eventSize]
		code := errnoBadf
		if s[subscriptionTag] == tagClock {
			code = errnoSuccess
		}
		user, tag := binary.LittleEndian.Uint64(s), s[subscriptionTag]
		clear(e)
		binary.LittleEndian.PutUint64(e, user)
		binary.LittleEndian.PutUint16(e[8:], uint16(code))
		e[10] = tag
	}
	stack[0] = uint64(errnoSuccess)
}

// guestLog is weir_1.log(level, ptr, len). Bytes outside the guest's memory are a trap.
func guestLog(g *guest, mod api.Module, stack []uint64) {
	b, ok := mod.Memory().Read(uint32(stack[1]), uint32(stack[2]))
	if !ok {
		panic(errLogSpan)
	}
	g.log.line(slogLevel(int32(uint32(stack[0]))), b)
	g.tank.weigh(min(len(b), journalLine) / bytesPerWork)
}
