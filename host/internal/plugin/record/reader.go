package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// ErrFormat says that the bytes are no recording, or one of another version.
var ErrFormat = errors.New("not a recording of weir")

// Reader reads a recording. It is used by one goroutine at a time.
type Reader struct {
	from   io.Reader
	header Header
	at     int64 // where the next entry begins
	torn   bool
	ended  bool
	err    error
	buf    bytes.Buffer
}

// NewReader reads a recording's header. The Reader does not close from.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{from: from}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	return r, nil
}

func (r *Reader) open() error {
	var head [len(magic) + 1]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil || string(head[:len(magic)]) != magic {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return ErrFormat
	}
	if v := head[len(magic)]; v != Version {
		return fmt.Errorf("%w: its version is %d, this weir reads %d", ErrFormat, v, Version)
	}
	r.at = int64(len(head))
	content, err := r.content()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: its header is cut off", ErrFormat)
	case err != nil:
		return fmt.Errorf("%w: its header is damaged: %w", ErrFormat, err)
	}
	e := eye{b: content}
	if Kind(e.u8()) != kindHeader {
		return fmt.Errorf("%w: it does not begin with a header", ErrFormat)
	}
	r.header = Header{Major: e.u16(), Minor: e.u16(), Plugin: e.text(), Begin: time.Unix(0, int64(e.u64())), Host: e.text()}
	if e.failed {
		return fmt.Errorf("%w: its header is malformed", ErrFormat)
	}
	return nil
}

// Header is what the recording says of itself.
func (r *Reader) Header() Header { return r.header }

// Torn tells, behind the last entry, whether the recording was cut off: it does not say itself that it ended.
func (r *Reader) Torn() bool { return r.torn }

// Next gives the next entry, which shares nothing with the Reader. It is io.EOF behind the last whole one; any other error says where the recording
// is damaged, and is given again from then on.
func (r *Reader) Next() (Entry, error) {
	for r.err == nil {
		e, known, err := r.next()
		if err != nil {
			r.err = err
			break
		}
		if known {
			r.ended = r.ended || e.Kind == End
			return e, nil
		}
	}
	return Entry{}, r.err
}

func (r *Reader) next() (e Entry, known bool, err error) {
	at := r.at
	content, err := r.content()
	switch {
	case errors.Is(err, io.EOF):
		r.torn = !r.ended
		return e, false, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.torn = true
		return e, false, io.EOF
	case err != nil:
		return e, false, fmt.Errorf("read recording: entry at byte %d: %w", at, err)
	}
	e, known, ok := parse(content)
	if !ok {
		return e, false, fmt.Errorf("read recording: entry at byte %d is malformed", at)
	}
	return e, known, nil
}

// content reads what an entry holds, and gives a copy of its own. A length that the file does not have costs no memory.
func (r *Reader) content() ([]byte, error) {
	var head [entryHead]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil {
		return nil, err // io.EOF: nothing; io.ErrUnexpectedEOF: less than a head
	}
	n, sum := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
	if n == 0 || n > maxEntry {
		return nil, fmt.Errorf("a length of %d bytes", n)
	}
	r.buf.Reset()
	if _, err := io.CopyN(&r.buf, r.from, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	r.at += entryHead + int64(n)
	if crc32.Checksum(r.buf.Bytes(), castagnoli) != sum {
		return nil, errors.New("its checksum does not fit")
	}
	return bytes.Clone(r.buf.Bytes()), nil
}

// parse reads an entry's content. known is false for a kind of a later weir.
func parse(content []byte) (e Entry, known, ok bool) {
	r := eye{b: content}
	e.Kind = Kind(r.u8())
	if e.Kind == kindHeader || e.Kind > End {
		return e, false, e.Kind != kindHeader
	}
	if e.Kind != End {
		e.Instance, e.At = r.u32(), r.duration()
	}
	switch e.Kind {
	case Started:
		e.Build = Build{Generation: r.u64(), Version: r.text(), Hash: r.text(), Carrier: r.text()}
	case Call:
		e.Limit, e.Took = r.duration(), r.duration()
		e.In, e.Out = r.bytes(), r.bytes()
	case Faulted:
		e.Limit, e.Took = r.duration(), r.duration()
		e.In = r.bytes()
		e.Sin = Sin{Kind: r.text(), Lost: r.u8() != 0, During: r.text(), Cause: r.text(), Stack: r.text(), Log: r.text()}
	case Closed:
	case End:
		e.Reason, e.Missed = r.text(), r.u64()
	default:
		return e, false, false
	}
	return e, true, !r.failed
}

// eye reads fields. Behind the end all are zero; a field that is cut short fails.
type eye struct {
	b      []byte
	failed bool
}

func (e *eye) take(n int) []byte {
	if len(e.b) == 0 || e.failed {
		return nil
	}
	if n > len(e.b) {
		e.failed = true
		return nil
	}
	v := e.b[:n:n]
	e.b = e.b[n:]
	return v
}

func (e *eye) u8() uint8 {
	if b := e.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (e *eye) u16() uint16 {
	if b := e.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (e *eye) u32() uint32 {
	if b := e.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (e *eye) u64() uint64 {
	if b := e.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (e *eye) duration() time.Duration { return time.Duration(e.u64()) }

func (e *eye) bytes() []byte {
	n := e.u32()
	if n == 0 || e.failed {
		return nil
	}
	if uint64(n) > uint64(len(e.b)) {
		e.failed = true
		return nil
	}
	return e.take(int(n))
}

func (e *eye) text() string { return string(e.bytes()) }
