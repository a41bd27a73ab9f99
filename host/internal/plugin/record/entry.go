package record

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// Version is the version of the format that this package writes, and the only one that it reads.
const Version = 1

const magic = "weirrec"

// entryHead is the size in bytes of what precedes an entry's content.
const entryHead = 8

// maxEntry bounds an entry's content in bytes: two frames as large as a guest's memory may be by default, and some text.
const maxEntry = 2*plugin.DefaultMemory + 1<<20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Kind says what an Entry tells of. The zero Kind is none.
type Kind uint8

// The kinds of entries.
const (
	kindHeader Kind = 1
	Started    Kind = 2 // an instance started
	Call       Kind = 3 // it answered a frame
	Faulted    Kind = 4 // it did not
	Closed     Kind = 5 // it ended
	End        Kind = 6 // the recording ended in good order
)

// Header is what a recording says of itself.
type Header struct {
	Major, Minor uint16 // of the ABI
	Plugin       string // its name in plugins.yaml
	Begin        time.Time
	Host         string // weir's version
}

// Build names a build of a plugin.
type Build struct {
	Generation uint64
	Version    string // the manifest's
	Hash       string // SHA-256 of its file, lower-case hex
	Carrier    string // "wasm" or "proc"
}

// BuildOf names the build that a generation is of.
func BuildOf(g plugin.Generation) Build {
	return Build{Generation: g.Number(), Version: g.Manifest().Version, Hash: g.Hash(), Carrier: g.Carrier()}
}

// Sin is a fault as a recording keeps it.
type Sin struct {
	Kind   string // plugin.Kind in words
	Lost   bool   // the carrier died with the call
	During string
	Cause  string
	Stack  string
	Log    string
}

// SinOf is what a recording keeps of a fault.
func SinOf(f *plugin.Fault) Sin {
	s := Sin{Kind: f.Kind.String(), Lost: f.Lost, During: f.During, Stack: f.Stack, Log: f.Log}
	if f.Cause != nil {
		s.Cause = f.Cause.Error()
	}
	return s
}

// Entry is one thing that happened. Which fields are set follows from the Kind.
type Entry struct {
	Kind     Kind
	Instance uint32        // from 1, in the order in which the recording met them; of all kinds but End
	At       time.Duration // since the header's Begin; of all kinds but End
	Build    Build         // Started
	Limit    time.Duration // Call, Faulted: how long the plugin might run; 0: as long as one event may
	Took     time.Duration // Call, Faulted: on the host's clock
	In, Out  []byte        // Call, Faulted (In only): frames
	Sin      Sin           // Faulted
	Reason   string        // End
	Missed   uint64        // End: calls that came behind the one that was too much, until the recording ended
}

// pen appends fields.
type pen struct{ b []byte }

func (p *pen) u8(v uint8)               { p.b = append(p.b, v) }
func (p *pen) u16(v uint16)             { p.b = binary.LittleEndian.AppendUint16(p.b, v) }
func (p *pen) u32(v uint32)             { p.b = binary.LittleEndian.AppendUint32(p.b, v) }
func (p *pen) u64(v uint64)             { p.b = binary.LittleEndian.AppendUint64(p.b, v) }
func (p *pen) duration(d time.Duration) { p.u64(uint64(d)) }

func (p *pen) bytes(v []byte) {
	p.u32(uint32(len(v)))
	p.b = append(p.b, v...)
}

func (p *pen) text(s string) {
	p.u32(uint32(len(s)))
	p.b = append(p.b, s...)
}

// begin leaves room for an entry's head; finish fills it in.
func (p *pen) begin(k Kind) (at int) {
	at = len(p.b)
	p.b = append(p.b, make([]byte, entryHead)...)
	p.u8(uint8(k))
	return at
}

func (p *pen) finish(at int) {
	content := p.b[at+entryHead:]
	binary.LittleEndian.PutUint32(p.b[at:], uint32(len(content)))
	binary.LittleEndian.PutUint32(p.b[at+4:], crc32.Checksum(content, castagnoli))
}

func (p *pen) header(h Header) {
	p.b = append(p.b, magic...)
	p.u8(Version)
	at := p.begin(kindHeader)
	p.u16(h.Major)
	p.u16(h.Minor)
	p.text(h.Plugin)
	p.u64(uint64(h.Begin.UnixNano()))
	p.text(h.Host)
	p.finish(at)
}

func (p *pen) entry(e *Entry) {
	at := p.begin(e.Kind)
	if e.Kind != End {
		p.u32(e.Instance)
		p.duration(e.At)
	}
	switch e.Kind {
	case Started:
		p.u64(e.Build.Generation)
		p.text(e.Build.Version)
		p.text(e.Build.Hash)
		p.text(e.Build.Carrier)
	case Call:
		p.duration(e.Limit)
		p.duration(e.Took)
		p.bytes(e.In)
		p.bytes(e.Out)
	case Faulted:
		p.duration(e.Limit)
		p.duration(e.Took)
		p.bytes(e.In)
		p.sin(e.Sin)
	case End:
		p.text(e.Reason)
		p.u64(e.Missed)
	}
	p.finish(at)
}

func (p *pen) sin(s Sin) {
	p.text(s.Kind)
	lost := uint8(0)
	if s.Lost {
		lost = 1
	}
	p.u8(lost)
	p.text(s.During)
	p.text(s.Cause)
	p.text(s.Stack)
	p.text(s.Log)
}
