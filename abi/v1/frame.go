package abi

import (
	"encoding/binary"
	"errors"
)

// Errors of the codec.
var (
	// ErrMalformed: the bytes are not a frame, or a record's field is cut short.
	ErrMalformed = errors.New("abi: malformed frame")
	// ErrFull: the record does not fit into the buffer; the frame is as it was.
	ErrFull = errors.New("abi: frame buffer is full")
)

const (
	frameHead  = 8  // u32 records, u32 flags
	recordHead = 16 // u16 op, u16 flags, u32 len, u64 session
)

// Record is one event or verdict. The types of this package are its only
// implementations.
type Record interface {
	Op() Op
	visit(c *coder)
}

// Raw is a record whose body is not decoded yet. Body is a view of the frame.
type Raw struct {
	Op      Op
	Flags   uint16
	Session uint64
	Body    []byte
}

// IsCritical reports whether an unknown op must fail the frame.
func (r Raw) IsCritical() bool { return r.Flags&Critical != 0 }

// DecodeHead reads only the head that every event opens with.
func (r Raw) DecodeHead(h *Head) error {
	c := coder{buf: r.Body, reading: true}
	h.visit(&c)
	if c.failed {
		return ErrMalformed
	}
	return nil
}

// Reader walks the records of a frame and decodes them. The zero Reader is an empty
// frame. A Reader that is kept and Reset for each frame makes reading free of
// allocation.
type Reader struct {
	frame []byte
	pos   int
	left  uint32
	c     coder
	raw   Raw
}

// Reset starts reading frame; it fails with ErrMalformed when its head cannot be one.
func (r *Reader) Reset(frame []byte) error {
	r.frame, r.pos, r.left = nil, 0, 0
	if len(frame) < frameHead {
		return ErrMalformed
	}
	n := binary.LittleEndian.Uint32(frame)
	if uint64(n)*recordHead > uint64(len(frame)-frameHead) {
		return ErrMalformed
	}
	r.frame, r.pos, r.left = frame, frameHead, n
	return nil
}

// Decode reads a record's body into rec, whose byte fields become views of the frame.
// Fields that the body lacks become zero, bytes behind the last known field are
// ignored (spec.md §4). It fails with ErrMalformed when a field is cut short, and
// leaves rec partly set then.
func (r *Reader) Decode(raw Raw, rec Record) error { return r.decode(raw.Body, rec) }

// Read is Decode of the current record.
func (r *Reader) Read(rec Record) error { return r.decode(r.raw.Body, rec) }

// decode sets the coder field by field: a guest copies and clears whole structs at the
// price of several fields.
func (r *Reader) decode(body []byte, rec Record) error {
	c := &r.c
	c.buf, c.pos, c.reading, c.failed = body, 0, true, false
	rec.visit(c)
	if c.failed {
		return ErrMalformed
	}
	return nil
}

// Len is the number of records not read yet.
func (r *Reader) Len() int { return int(r.left) }

// Next gives the next record. ok is false behind the last one; err is ErrMalformed
// when the record does not lie within the frame, and the Reader is spent then.
func (r *Reader) Next() (raw Raw, ok bool, err error) {
	if ok, err = r.Advance(); ok {
		raw = r.raw
	}
	return raw, ok, err
}

// Current is the record that Advance has come to. It is overwritten by the next
// Advance.
func (r *Reader) Current() *Raw { return &r.raw }

// Advance is Next for hot paths: the record is Current then, and Read decodes it.
func (r *Reader) Advance() (ok bool, err error) {
	if r.left == 0 {
		return false, nil
	}
	rest := r.frame[r.pos:]
	if len(rest) < recordHead {
		r.left = 0
		return false, ErrMalformed
	}
	n := binary.LittleEndian.Uint32(rest[4:])
	if uint64(n) > uint64(len(rest)-recordHead) {
		r.left = 0
		return false, ErrMalformed
	}
	end := recordHead + int(n)
	raw := &r.raw
	raw.Op = Op(binary.LittleEndian.Uint16(rest))
	raw.Flags = binary.LittleEndian.Uint16(rest[2:])
	raw.Session = binary.LittleEndian.Uint64(rest[8:])
	raw.Body = rest[recordHead:end:end]
	r.left--
	r.pos = min(r.pos+align8(end), len(r.frame))
	return true, nil
}

// Writer fills a buffer with a frame. It never grows the buffer. The zero Writer is
// full; Reset gives it a buffer.
type Writer struct {
	buf     []byte
	pos     int
	records uint32
	c       coder
}

// Reset starts an empty frame in buf, whose whole length may be used.
func (w *Writer) Reset(buf []byte) {
	w.buf, w.pos, w.records = buf, frameHead, 0
	if len(buf) >= frameHead {
		clear(buf[:frameHead])
	}
}

// Put appends a record. On ErrFull the frame is unchanged.
func (w *Writer) Put(session uint64, flags uint16, rec Record) error {
	if w.pos+recordHead > len(w.buf) {
		return ErrFull
	}
	c := &w.c
	c.buf, c.pos, c.reading, c.failed = w.buf, w.pos+recordHead, false, false
	rec.visit(c)
	return w.finish(session, flags, rec.Op(), c.pos, c.failed)
}

// PutRaw appends a record whose body is already encoded.
func (w *Writer) PutRaw(raw Raw) error {
	start := w.pos + recordHead
	if start > len(w.buf) || len(raw.Body) > len(w.buf)-start {
		return ErrFull
	}
	end := start + copy(w.buf[start:], raw.Body)
	return w.finish(raw.Session, raw.Flags, raw.Op, end, false)
}

func (w *Writer) finish(session uint64, flags uint16, op Op, end int, failed bool) error {
	next, size := w.pos+align8(end-w.pos), end-w.pos-recordHead
	if failed || next > len(w.buf) {
		return ErrFull
	}
	for ; end < next; end++ { // at most 7 bytes: not worth a call
		w.buf[end] = 0
	}
	head := w.buf[w.pos:]
	binary.LittleEndian.PutUint16(head, uint16(op))
	binary.LittleEndian.PutUint16(head[2:], flags)
	binary.LittleEndian.PutUint32(head[4:], uint32(size))
	binary.LittleEndian.PutUint64(head[8:], session)
	w.pos = next
	w.records++
	binary.LittleEndian.PutUint32(w.buf, w.records)
	return nil
}

// Mark remembers the end of the frame so that Truncate can take back what follows.
func (w *Writer) Mark() (pos int, records uint32) { return w.pos, w.records }

// Truncate takes back all records put since the Mark.
func (w *Writer) Truncate(pos int, records uint32) {
	w.pos, w.records = pos, records
	if len(w.buf) >= frameHead {
		binary.LittleEndian.PutUint32(w.buf, records)
	}
}

// Records is the number of records in the frame.
func (w *Writer) Records() int { return int(w.records) }

// Room is how many bytes are left in the buffer, record heads included.
func (w *Writer) Room() int { return max(len(w.buf)-w.pos, 0) }

// Bytes is the frame, a view of the buffer until the next Reset.
func (w *Writer) Bytes() []byte {
	if len(w.buf) < frameHead {
		return nil
	}
	return w.buf[:w.pos]
}

func align8(n int) int { return (n + 7) &^ 7 }
