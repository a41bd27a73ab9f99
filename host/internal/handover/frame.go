package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/weir-media/weir/host/internal/media"
)

// Kind says what a frame is for.
type Kind uint8

// The kinds. Hello has this number, and the body that Greeting describes, in every version.
const (
	Hello     Kind = 1 + iota // both: Greeting
	Refuse                    // old: Text; nothing changes
	Sockets                   // old: Group, with its descriptors
	Ready                     // old: all sockets and the windows of all live points were sent
	Commit                    // new: take your hands off the sockets
	Committed                 // old: done
	Serving                   // new: it accepts
	Move                      // old: a source: the session room's export, with its connection
	Moved                     // new: Text; empty: it is the new one's from now on
	Settled                   // old: Tally; all sources have been moved that can be
	Count                     // old: Tally, each time that it has changed
	Begin                     // both: Source; a stream of packets begins
	Header                    // both: header of the stream's packets from now on
	Packet                    // both: one packet
	End                       // both: Text; the stream's source has left
	lastKind  = End
)

var kindNames = [...]string{"", "hello", "refuse", "sockets", "ready", "commit", "committed", "serving", "move", "moved", "settled", "count", "begin", "header", "packet", "end"}

// String is the kind's name in logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", k)
}

const (
	headBytes = 12
	// MaxBody bounds a frame's body, in bytes: above the longest packet, and a source with all the input that it may hold. Chosen.
	MaxBody = 16 << 20
	// MaxFiles bounds the descriptors of one frame (SCM_MAX_FD of Linux is 253). Chosen.
	MaxFiles = 64
)

// Frame is one message. Body is valid until the next Read. Files are the reader's to close.
type Frame struct {
	Kind   Kind
	Stream uint32
	Body   []byte
	Files  []*os.File
}

// Close closes the files that nobody has taken.
func (f *Frame) Close() {
	for _, x := range f.Files {
		if x != nil {
			_ = x.Close()
		}
	}
	f.Files = nil
}

var errFrame = errors.New("take-over connection: malformed frame")

// appendHead writes a frame's head: body length, kind, number of files, stream.
func appendHead(b []byte, k Kind, stream uint32, files, body int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(body))
	b = append(b, byte(k), byte(files), 0, 0)
	return binary.LittleEndian.AppendUint32(b, stream)
}

// head is what a frame begins with.
type head struct {
	kind   Kind
	stream uint32
	files  int
	body   int
}

// parseHead reads a head; ok is false while b is too short.
func parseHead(b []byte) (h head, ok bool, err error) {
	if len(b) < headBytes {
		return h, false, nil
	}
	h = head{kind: Kind(b[4]), files: int(b[5]), body: int(binary.LittleEndian.Uint32(b)), stream: binary.LittleEndian.Uint32(b[8:])}
	if h.kind == 0 || h.kind > lastKind || h.files > MaxFiles || h.body > MaxBody || b[6] != 0 || b[7] != 0 {
		return h, false, fmt.Errorf("%w: %v with %d files and %d bytes", errFrame, h.kind, h.files, h.body)
	}
	return h, true, nil
}

// packetBytes is what stands before a packet's bytes.
const packetBytes = 32

// AppendPacket appends the body of a Packet frame, but for the packet's bytes, which follow it.
func AppendPacket(b []byte, k media.Packet) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(k.PTS))
	b = binary.LittleEndian.AppendUint64(b, uint64(k.DTS))
	b = binary.LittleEndian.AppendUint64(b, k.Tag)
	b = binary.LittleEndian.AppendUint32(b, uint32(k.Flags))
	return binary.LittleEndian.AppendUint32(b, uint32(k.Track))
}

// ParsePacket reads the body of a Packet frame. Bytes is a view of it.
func ParsePacket(b []byte) (media.Packet, error) {
	if len(b) < packetBytes || binary.LittleEndian.Uint16(b[30:]) != 0 {
		return media.Packet{}, fmt.Errorf("%w: a packet of %d bytes", errFrame, len(b))
	}
	return media.Packet{
		PTS:   media.Time(binary.LittleEndian.Uint64(b)),
		DTS:   media.Time(binary.LittleEndian.Uint64(b[8:])),
		Tag:   binary.LittleEndian.Uint64(b[16:]),
		Flags: media.Flags(binary.LittleEndian.Uint32(b[24:])),
		Track: binary.LittleEndian.Uint16(b[28:]),
		Bytes: b[packetBytes:],
	}, nil
}
