//go:build linux

package load_test

import (
	"bytes"
	"fmt"
	"time"
)

// seat is one viewer: what it must get, how it reads, and how far it has come. Its size does not grow while it watches. It belongs to the audience's
// goroutine; a test looks at it under the audience's lock.
type seat struct {
	form   *form
	habit  habit
	fd     int
	due    time.Time // of the next read, of a slow one
	phase  phase
	head   []byte // what came before the first unit, until that is judged
	start  [188]byte
	filled int // of start
	at     int // unit that comes next or is under way
	off    int // bytes of it that came
	first  int // unit that the viewer began with, -1: none yet
	gaps   int // times that it was moved on to a key unit
	missed int // units that it was not sent
	bytes  int64
	wrong  error
	closed bool
	torn   bool // closed inside a unit
	pauses pauses
	mark   mark
	from   string // its own address
	delays *delays

	asked, answered time.Time // when it began to connect, where that matters, and when the first bytes came to it, if it is timed
}

// habit is how a viewer reads. The zero value reads all that there is at once and must get everything.
type habit struct {
	bite    int           // bytes it takes at a time, 0: all
	every   time.Duration // time between two bites, 0: no wait
	deaf    bool          // it never reads
	skips   bool          // it may be moved on to a key unit
	receive int           // SO_RCVBUF in bytes, 0: the system's
	timed   bool          // it notes its pauses
	home    [4]byte       // the address that it comes from, 0.0.0.0: the system's choice
}

type phase uint8

const (
	answering phase = iota // the head of the response
	beginning              // what precedes the first unit
	watching
	ending // in what follows the last unit
	over
)

// take judges what the viewer has received.
func (s *seat) take(b []byte) {
	s.bytes += int64(len(b))
	for len(b) > 0 && s.wrong == nil {
		switch s.phase {
		case answering, beginning:
			s.head = append(s.head, b...)
			b = s.begin()
		case watching:
			b = s.watch(b)
		case ending:
			n := min(len(b), len(s.form.end)-s.off)
			s.expect(b[:n], s.form.end[s.off:])
			b = b[n:]
			if s.off += n; s.off == len(s.form.end) {
				s.phase, s.off = over, 0
			}
		case over:
			s.fail("%d bytes follow the end", len(b))
		}
	}
}

// begin judges the response's head and the rendition's header, and gives what follows them.
func (s *seat) begin() (rest []byte) {
	if s.phase == answering {
		head, body, found := bytes.Cut(s.head, []byte("\r\n\r\n"))
		if !found {
			return nil
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
			s.fail("answer %q", s.head)
			return nil
		}
		s.head, s.phase = append([]byte(nil), body...), beginning
	}
	n, err := s.form.prelude(s.head)
	if err != nil {
		s.fail("%w", err)
	}
	if n == 0 {
		return nil
	}
	rest, s.head, s.phase = s.head[n:], nil, watching
	return rest
}

// watch takes bytes of one unit at most.
func (s *seat) watch(b []byte) []byte {
	f := s.form
	if s.off > 0 {
		n := min(len(b), f.unit-s.off)
		s.expect(b[:n], f.units[s.at*f.unit+s.off:])
		if s.off += n; s.off == f.unit {
			s.at, s.off = s.at+1, 0
		}
		return b[n:]
	}
	n := copy(s.start[s.filled:f.lead], b)
	s.filled += n
	lead := s.start[:s.filled]
	if m := min(2, len(f.end)); m > 0 && len(lead) >= m && bytes.Equal(lead[:m], f.end[:m]) {
		// What is copied and not used up goes back, so the end is judged from its first byte.
		all := append(append([]byte(nil), lead...), b[n:]...)
		s.filled, s.off, s.phase = 0, 0, ending
		return all
	}
	if s.filled == f.lead {
		s.filled = 0
		s.locate(lead)
	}
	return b[n:]
}

// locate finds where the viewer is by the first bytes of a unit.
func (s *seat) locate(lead []byte) {
	f := s.form
	n := f.number(lead)
	if f.more != nil && (n+1)*f.unit > len(f.units) {
		if err := f.more(lead); err != nil {
			s.fail("%w", err)
			return
		}
	}
	if n < 0 || (n+1)*f.unit > len(f.units) {
		s.fail("unit %d is none of the film: % x", n, lead)
		return
	}
	key := f.isKey(f.units[n*f.unit : (n+1)*f.unit])
	if f.markAt > 0 {
		s.noteMark(lead, n, key)
	}
	switch {
	case s.first < 0 && key:
		s.first, s.at = n, n
	case s.first < 0:
		s.fail("it begins with unit %d, which is no key: % x…", n, lead[:min(16, len(lead))])
	case n == s.at:
	case s.habit.skips && n > s.at && key:
		s.gaps, s.missed = s.gaps+1, s.missed+n-s.at
		s.at = n
	default:
		s.fail("unit %d came, not %d", n, s.at)
	}
	s.expect(lead, f.units[n*f.unit:])
	s.off = f.lead
	if s.off == f.unit {
		s.at, s.off = s.at+1, 0
	}
}

// mark is what a packager has written into a unit's lead beside the film: which of its generations it is.
type mark struct {
	value byte
	since int // the first unit with it
}

// noteMark takes the mark out of a unit's lead. It may change at a key unit only.
func (s *seat) noteMark(lead []byte, n int, key bool) {
	f := s.form
	at := &lead[f.markAt]
	if value := *at; s.first < 0 || value != s.mark.value {
		if !key && s.first >= 0 {
			s.fail("the packager changes at unit %d, which is no key", n)
		}
		s.mark = mark{value, n}
	}
	*at = f.units[n*f.unit+f.markAt]
}

func (s *seat) expect(got, want []byte) {
	if len(want) < len(got) || !bytes.Equal(got, want[:len(got)]) {
		s.fail("unit %d differs from what was pushed, behind byte %d", s.at, s.off)
	}
}

func (s *seat) fail(format string, args ...any) {
	if s.wrong == nil {
		s.wrong = fmt.Errorf("%s viewer after %d bytes: "+format, append([]any{s.form.name, s.bytes}, args...)...)
	}
}

// shut notes that the server has closed the connection.
func (s *seat) shut() {
	s.closed = true
	s.torn = s.phase < watching || s.phase != over && (s.off > 0 || s.filled > 0)
}
