package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Section ids (WebAssembly 2.0, 5.5.2).
const (
	secCustom    = 0
	secType      = 1
	secImport    = 2
	secFunction  = 3
	secTable     = 4
	secMemory    = 5
	secGlobal    = 6
	secExport    = 7
	secStart     = 8
	secElement   = 9
	secCode      = 10
	secData      = 11
	secDataCount = 12
)

// sectionRank is the order in which sections may follow each other (WebAssembly 2.0, 5.5.16); 0 is no section of version 2.
var sectionRank = [...]int{secType: 1, secImport: 2, secFunction: 3, secTable: 4, secMemory: 5, secGlobal: 6, secExport: 7, secStart: 8,
	secElement: 9, secDataCount: 10, secCode: 11, secData: 12}

// header is a core module's magic and version (WebAssembly 2.0, 5.5.16).
var header = []byte("\x00asm\x01\x00\x00\x00")

// section is one section of a module. body is a view of the module; of a custom section it is what follows the name.
type section struct {
	id    byte
	name  string // custom sections only
	start int    // offset of the id byte in the module
	end   int    // offset behind the section
	body  []byte
}

// reader walks bytes of a module. After the first failure every read gives zero and err stays.
type reader struct {
	b    []byte
	pos  int
	base int // offset of b in the module, for errors
	err  error
}

// Why a module is refused that wazero might take.
var (
	errVersion = errors.New("not part of WebAssembly 2")
	errLimit   = errors.New("a limit of this host")
)

// errShort is in the error for content that is said to be longer than what is there. wazero refuses that too, but some of it only after it has
// allocated as much as was said.
var errShort = errors.New("the module is cut short")

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %w", r.base+r.pos, fmt.Errorf(format, args...)) //nolint:err113 // what is wrong with a module is for reading
	}
}

// foreign fails because of a later version of WebAssembly or a proposal.
func (r *reader) foreign(what string, args ...any) {
	r.fail("%s is %w", fmt.Sprintf(what, args...), errVersion)
}

// limit fails unless n is at most the bound.
func (r *reader) limit(what string, n, most uint64) {
	if n > most {
		r.fail("%d %s; at most %d: %w", n, what, most, errLimit)
	}
}

func (r *reader) left() int { return len(r.b) - r.pos }

func (r *reader) byte() byte {
	if r.err != nil || r.left() == 0 {
		r.fail("the module is cut short")
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

// u32 reads an unsigned LEB128 number of at most 32 bits (WebAssembly 2.0, 5.2.2).
func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail("a number has more than 32 bits")
	return 0
}

// leb skips a LEB128 number of at most that many bytes (WebAssembly 2.0, 5.2.2).
func (r *reader) leb(most int) {
	for range most {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail("a number is too long")
}

// s33 reads a signed number of at most 33 bits (WebAssembly 2.0, 5.4.1).
func (r *reader) s33() int64 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			return v << (57 - shift) >> (57 - shift)
		}
	}
	r.fail("a number has more than 33 bits")
	return 0
}

func (r *reader) take(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(r.left()) {
		r.fail("%w", errShort)
		return nil
	}
	r.pos += int(n)
	return r.b[r.pos-int(n) : r.pos : r.pos]
}

func (r *reader) text() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail("a name is not UTF-8")
		return ""
	}
	return string(b)
}

// count reads the length of a vector whose elements have at least one byte each.
func (r *reader) count() int {
	n := r.u32()
	if uint64(n) > uint64(r.left()) {
		r.fail("a list of %d is longer than its section: %w", n, errShort)
		return 0
	}
	return int(n)
}

// done fails unless everything was read: what is left could mean something else to another parser.
func (r *reader) done() error {
	if r.err == nil && r.left() != 0 {
		r.fail("%d bytes follow the section's content", r.left())
	}
	return r.err
}

// split cuts a module into its sections and checks their order. Offsets in errors are those of the module.
func split(module []byte) ([]section, error) {
	if !bytes.HasPrefix(module, header) {
		return nil, headerError(module)
	}
	r := reader{b: module, pos: len(header)}
	var all []section
	last := 0
	for r.left() > 0 {
		s := section{start: r.pos}
		s.id = r.byte()
		size := r.u32()
		at := r.pos
		s.body = r.take(size)
		s.end = r.pos
		if r.err != nil {
			return nil, r.err
		}
		switch {
		case s.id == secCustom:
			c := reader{b: s.body, base: at}
			s.name = c.text()
			s.body = s.body[c.pos:]
			if c.err != nil {
				return nil, c.err
			}
		case int(s.id) >= len(sectionRank):
			return nil, fmt.Errorf("at byte %d: section %d is %w", s.start, s.id, errVersion)
		case sectionRank[s.id] <= last:
			return nil, fmt.Errorf("at byte %d: section %d is repeated or out of order", s.start, s.id)
		default:
			last = sectionRank[s.id]
		}
		all = append(all, s)
	}
	return all, nil
}

func headerError(module []byte) error {
	switch {
	case len(module) == 0:
		return fmt.Errorf("the file is empty")
	case bytes.HasPrefix(module, []byte("\x00asm\x0d\x00\x01\x00")):
		return fmt.Errorf("it is a WebAssembly component, not a core module")
	case bytes.HasPrefix(module, []byte("\x00asm")):
		return fmt.Errorf("its WebAssembly version is not 1")
	}
	return fmt.Errorf("it is not a WebAssembly module")
}

func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendSection writes a whole section.
func appendSection(b []byte, id byte, body []byte) []byte {
	return append(appendU32(append(b, id), uint32(len(body))), body...)
}
