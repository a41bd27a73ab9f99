package netio

// Payloads of one flow in a batch are brought together in up to runBytes, and
// given to its sink up to runSizes at once: chosen.
const (
	runBytes = 256 << 10
	runSizes = 1024
)

// arrival is one message of a batch: a datagram, or several of one sender.
type arrival struct {
	id      flowID
	b       []byte
	segment int // size in bytes of each datagram but the last; 0: b is one
	flow    *Flow
	refused bool
}

// datagrams counts them.
func (a *arrival) datagrams() int {
	if a.segment <= 0 || len(a.b) <= a.segment {
		return 1
	}
	return (len(a.b) + a.segment - 1) / a.segment
}

// first is the first datagram.
func (a *arrival) first() []byte {
	if a.segment > 0 && len(a.b) > a.segment {
		return a.b[:a.segment]
	}
	return a.b
}

// run collects what one flow gets of a batch.
type run struct {
	sizes []int
	b     []byte
}

func (r *run) init() {
	r.sizes = make([]int, 0, runSizes)
	r.b = make([]byte, 0, runBytes)
}

// deliver gives each flow of a batch its datagrams, in their order.
func (r *run) deliver(batch []arrival) {
	for i := range batch {
		f := batch[i].flow
		if f == nil {
			continue
		}
		last := i
		for j := i + 1; j < len(batch); j++ {
			if batch[j].flow == f {
				last = j
			}
		}
		if last == i {
			r.direct(f, &batch[i])
			continue
		}
		for j := i; j <= last; j++ {
			if batch[j].flow == f {
				r.add(f, &batch[j])
			}
		}
		r.flush(f)
	}
}

// direct delivers one message without a copy.
func (r *run) direct(f *Flow, a *arrival) {
	a.flow = nil
	size := a.segment
	if size <= 0 {
		size = len(a.b)
	}
	b := a.b
	for start := b; ; {
		n := min(size, len(b))
		r.sizes = append(r.sizes, n)
		b = b[n:]
		if len(r.sizes) == runSizes || len(b) == 0 {
			f.sink.deliver(r.sizes, start[:len(start)-len(b)])
			r.sizes, start = r.sizes[:0], b
		}
		if len(b) == 0 {
			return
		}
	}
}

// add copies a message to what f gets together.
func (r *run) add(f *Flow, a *arrival) {
	n := a.datagrams()
	if len(r.b)+len(a.b) > runBytes || len(r.sizes)+n > runSizes {
		r.flush(f)
	}
	if n > runSizes {
		r.direct(f, a)
		return
	}
	a.flow = nil
	for left := len(a.b); n > 0; n-- {
		size := left
		if n > 1 {
			size = a.segment
		}
		r.sizes = append(r.sizes, size)
		left -= size
	}
	r.b = append(r.b, a.b...)
}

func (r *run) flush(f *Flow) {
	if len(r.sizes) > 0 {
		f.sink.deliver(r.sizes, r.b)
	}
	r.sizes, r.b = r.sizes[:0], r.b[:0]
}
