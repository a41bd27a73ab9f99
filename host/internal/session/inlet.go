package session

import (
	"bytes"
	"sync"

	"github.com/weir-media/weir/abi/v1"
)

const (
	// inletLimit is how many unconsumed bytes a connection may have waiting before
	// its reader blocks (chosen: some seconds of a fast encoder, far below MaxRetain).
	inletLimit = 1 << 20
	// maxDelivery is the most input that one DATA brings. It leaves room in the
	// smallest inbox (abi.MinInbox) for the state and the record heads.
	maxDelivery = 96 << 10
)

// inlet is the input of one connection as a plugin sees it: bytes with absolute
// offsets, delivered until they are consumed. One goroutine writes, the worker reads.
type inlet struct {
	mu       sync.Mutex
	room     sync.Cond
	notify   func() // input or its end has come; must not block
	buf      []byte
	base     uint64 // offset of buf[0]
	consumed uint64
	retained uint64
	seen     uint64 // where the last delivery ended
	progress bool   // the last answer consumed something
	need     need
	loops    []uint64 // offsets at which a file started anew
	tail     tail
	rushed   bool   // its writer does not wait for room: it is about to stop
	through  *inlet // all further input goes there
	flow     *queue // nil: a stream of bytes
}

type need struct {
	bytes     int
	delimiter []byte
}

type tail struct {
	ended   bool
	closed  bool // nobody reads any more
	reason  abi.EndReason
	flagged bool // DATA with DataLast was answered
	told    bool // END was delivered
	adopted bool // the connection is a viewer's, whose DETACHED tells of the end
}

func newInlet(notify func()) *inlet {
	i := &inlet{notify: notify}
	i.room.L = &i.mu
	return i
}

func (i *inlet) end() uint64 { return i.base + uint64(len(i.buf)) }

// write appends b, waiting for room. It reports false when nobody reads any more.
func (i *inlet) write(b []byte) bool {
	i.mu.Lock()
	for !i.tail.closed && !i.rushed && i.through == nil && i.end()-i.consumed >= inletLimit {
		i.room.Wait()
	}
	to, closed := i.through, i.tail.closed
	if to == nil && !closed {
		i.buf = append(i.buf, b...)
	}
	i.mu.Unlock()
	switch {
	case to != nil:
		return to.write(b)
	case closed:
		return false
	}
	i.notify()
	return true
}

// rush has a writer wait for room, or not.
func (i *inlet) rush(on bool) {
	i.mu.Lock()
	i.rushed = on
	to := i.through
	i.mu.Unlock()
	i.room.Broadcast()
	if to != nil {
		to.rush(on)
	}
}

// put appends b without waiting; its writer looks at full before.
func (i *inlet) put(b []byte) {
	i.mu.Lock()
	if !i.tail.closed {
		i.buf = append(i.buf, b...)
	}
	i.mu.Unlock()
}

func (i *inlet) full() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !i.tail.closed && i.end()-i.consumed >= inletLimit
}

// mark notes that a file starts anew at the present end.
func (i *inlet) mark() {
	i.mu.Lock()
	to := i.through
	if to == nil {
		i.loops = append(i.loops, i.end())
	}
	i.mu.Unlock()
	if to != nil {
		to.mark()
		return
	}
	i.notify()
}

// finish notes that no input follows.
func (i *inlet) finish(reason abi.EndReason) {
	i.mu.Lock()
	to := i.through
	if !i.tail.ended && !i.tail.adopted {
		i.tail.ended, i.tail.reason = true, reason
	}
	i.mu.Unlock()
	if to != nil {
		to.finish(reason)
	}
	i.notify()
}

// adopt notes that a viewer's pool reads the connection from now on: the end of the
// reader before it is none of the input's.
func (i *inlet) adopt() {
	i.mu.Lock()
	i.tail.adopted = true
	i.mu.Unlock()
}

// shut lets a blocked writer go: nobody reads any more.
func (i *inlet) shut() {
	i.mu.Lock()
	i.tail.closed = true
	i.base, i.buf = i.end(), nil
	i.mu.Unlock()
	i.room.Broadcast()
}

// divert passes what is not consumed, and all that follows, to another inlet.
func (i *inlet) divert(to *inlet) {
	i.mu.Lock()
	for _, loop := range i.loops {
		to.put(i.buf[i.consumed-i.base : loop-i.base])
		to.mark()
		i.consumed = loop
	}
	to.put(i.buf[i.consumed-i.base:])
	i.consumed, i.seen, i.loops = i.end(), i.end(), nil
	if i.flow != nil {
		i.flow.sizes, i.flow.first = nil, 0
	}
	i.base, i.buf = i.end(), nil
	ended, reason := i.tail.ended, i.tail.reason
	i.through = to
	i.mu.Unlock()
	i.room.Broadcast()
	if ended {
		to.finish(reason)
	}
	to.notify()
}

func (i *inlet) isDiverted() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.through != nil
}

// delivery is what next found.
type delivery struct {
	kind   deliveryKind
	offset uint64
	bytes  []byte // a view that is valid until settle
	last   bool
	reason abi.EndReason
	sizes  []uint32 // of datagrams; valid as long as bytes
	lost   uint64   // datagrams before these
}

type deliveryKind uint8

const (
	nothing deliveryKind = iota
	input
	inputEnd
	stuck // as much as an event can bring, and the plugin consumed none of it
	datagrams
)

// next tells what the plugin should be told now. It changes nothing.
func (i *inlet) next() delivery {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.tail.told || i.tail.closed {
		return delivery{}
	}
	if i.flow != nil {
		return i.nextDatagrams()
	}
	end, loop := i.end(), false
	if len(i.loops) > 0 {
		end, loop = i.loops[0], true
	}
	view := i.buf[i.consumed-i.base : end-i.base]
	final := i.tail.ended && !loop
	if len(view) > 0 && !(final && i.tail.flagged && !i.progress) {
		if d := i.input(view, end, loop || final); d.kind != nothing {
			d.last = final && d.offset+uint64(len(d.bytes)) == end
			return d
		}
	}
	switch {
	case loop:
		return delivery{kind: inputEnd, offset: end, reason: abi.EndLoop}
	case final:
		return delivery{kind: inputEnd, offset: end, reason: i.tail.reason}
	}
	return delivery{}
}

// input decides whether view is to be delivered. ending: nothing more will come
// before the plugin has been told of an end.
func (i *inlet) input(view []byte, end uint64, ending bool) delivery {
	fresh := end > i.seen || i.progress || (i.tail.ended && !i.tail.flagged && ending && len(i.loops) == 0)
	if !fresh {
		return delivery{}
	}
	if len(view) > maxDelivery {
		view = view[:maxDelivery]
		if !i.progress && i.seen >= i.consumed+maxDelivery {
			return delivery{kind: stuck}
		}
	} else if !ending && !i.need.met(view) {
		return delivery{}
	}
	return delivery{kind: input, offset: i.consumed, bytes: view}
}

func (n need) met(view []byte) bool {
	if len(n.delimiter) > 0 {
		return bytes.Contains(view, n.delimiter) || len(view) >= n.bytes
	}
	return len(view) >= n.bytes
}

// delivered notes that the plugin has answered d.
func (i *inlet) delivered(d delivery) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch d.kind {
	case input:
		i.seen = d.offset + uint64(len(d.bytes))
		i.progress = false
		i.need = need{}
		i.tail.flagged = i.tail.flagged || d.last
	case datagrams:
		i.seen = d.offset + uint64(len(d.bytes))
		i.consumed = i.seen
		i.flow.take(d)
	case inputEnd:
		if d.reason == abi.EndLoop {
			i.loops = i.loops[1:]
			i.consumed, i.seen = d.offset, d.offset
			i.progress = i.end() > d.offset
			return
		}
		i.tail.told = true
	}
}

// canConsume reports whether offset lies within what was delivered.
func (i *inlet) canConsume(offset uint64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return offset >= i.consumed && offset <= i.seen
}

// canRetain reports whether offset is held.
func (i *inlet) canRetain(offset uint64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return offset >= i.held() && offset <= i.seen
}

// behind gives how many bytes from offset on were delivered.
func (i *inlet) behind(offset uint64) uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seen - offset
}

// held is where the input begins that spans may name. What lies before it may still
// be in memory; that must not show.
func (i *inlet) held() uint64 { return max(i.base, i.retained) }

// consume reports whether the inlet was full and is no more.
func (i *inlet) consume(offset uint64) (room bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	was := i.end() - i.consumed
	if offset > i.consumed {
		i.consumed, i.progress = offset, true
	}
	return was >= inletLimit && i.end()-i.consumed < inletLimit
}

// span gives delivered or retained input; the view is valid until settle.
func (i *inlet) span(offset uint64, n int) ([]byte, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if offset < i.held() || offset > i.seen || uint64(n) > i.seen-offset {
		return nil, false
	}
	at := int(offset - i.base)
	return i.buf[at : at+n : at+n], true
}

// settle lets go of input that is neither unconsumed nor retained, after a batch, or is
// retained beyond so many bytes.
func (i *inlet) settle(retain uint64, keeps bool, most uint64) {
	i.mu.Lock()
	i.retained = i.consumed
	if keeps {
		i.retained = min(retain, i.consumed)
	}
	if i.seen > i.retained+most {
		i.retained = min(i.seen-most, i.consumed)
	}
	drop := int(i.retained - i.base)
	switch {
	case drop <= 0:
	case drop == len(i.buf):
		i.base, i.buf = i.retained, i.buf[:0]
	case drop >= len(i.buf)/2:
		n := copy(i.buf, i.buf[drop:])
		i.base, i.buf = i.retained, i.buf[:n]
	}
	i.mu.Unlock()
	i.room.Broadcast()
}
