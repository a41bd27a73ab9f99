package deliver

import (
	"sync/atomic"

	"github.com/weir-media/weir/host/internal/stream"
)

type order uint8

const (
	orderAttach order = iota
	orderWrite
	orderHold
	orderResume
	orderSwitch
	orderFinish // at the next packet boundary
	orderDetach // at the next packet boundary, keeping the socket
	orderClose  // at once
)

// letter is one order to a viewer. It belongs to the inbox once it is put.
type letter struct {
	next   *letter
	viewer *Viewer
	order  order
	reason Reason
	// segment is of orderSwitch.
	segment int32
	bytes   []byte
	log     *stream.Log
	cursor  stream.Cursor
	by      string // of orderAttach
}

// inbox holds letters from any goroutine to one worker, newest on top. Letters are
// made by control actions only, never per packet; each names a viewer, and what a
// viewer may owe is bounded by Attach.Pending.
type inbox struct{ top atomic.Pointer[letter] }

// sealed is the top of an inbox that takes no letters any more.
var sealed = new(letter)

func (b *inbox) put(l *letter) bool {
	for {
		top := b.top.Load()
		if top == sealed {
			return false
		}
		l.next = top
		if b.top.CompareAndSwap(top, l) {
			return true
		}
	}
}

// take empties the inbox and gives the letters oldest first.
func (b *inbox) take() *letter {
	if b.top.Load() == nil {
		return nil
	}
	return oldestFirst(b.top.Swap(nil))
}

// seal empties the inbox for the last time.
func (b *inbox) seal() *letter { return oldestFirst(b.top.Swap(sealed)) }

func oldestFirst(l *letter) *letter {
	var head *letter
	for l != nil && l != sealed {
		l.next, head, l = head, l, l.next
	}
	return head
}
