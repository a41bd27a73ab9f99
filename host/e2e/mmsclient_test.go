package e2e

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weir-media/weir/sdk/asf"
)

// mmsPlayer speaks MMS over TCP (MS-MMSP; wire digest §4) as VLC does, and reports what
// no client does: each packet as it came.
type mmsPlayer struct {
	t       *testing.T
	c       net.Conn
	r       *bufio.Reader
	header  []byte      // of the ASF
	packets []mmsPacket // in their order
}

// mmsPacket is a data packet (MS-MMSP 2.2.2).
type mmsPacket struct {
	location           uint32
	incarnation, flags byte
	payload            []byte
}

// Messages, by their kinds.
const (
	mmsConnect, mmsFunnel, mmsOpen, mmsStart, mmsStop, mmsRead, mmsSwitch      = 0x01, 0x02, 0x05, 0x07, 0x09, 0x15, 0x33
	mmsConnected, mmsFunnelled, mmsOpened, mmsStarted, mmsBlock, mmsSwitched   = 0x01, 0x02, 0x06, 0x05, 0x11, 0x21
	mmsEnd, mmsChange, mmsSession, mmsFields, mmsUncounted, mmsMediaOf, mmsHas = 0x1E, 0x20, 0xB00BFACE, 40, 16, 4, 2
)

// dialMMS connects to an address.
func dialMMS(t *testing.T, address string) *mmsPlayer {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(6 * answered))
	return &mmsPlayer{t: t, c: c, r: bufio.NewReader(c)}
}

// say sends a message of fields and a text.
func (p *mmsPlayer) say(kind uint16, text string, fields ...uint32) {
	p.t.Helper()
	b := append([]byte("\x01\x00\x00\x00\xCE\xFA\x0B\xB0"), make([]byte, mmsFields-8)...)
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint32(b, f)
	}
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	b = append(b, make([]byte, 8-len(b)%8)...) // a NUL, and whole chunks of eight
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-mmsUncounted))
	copy(b[12:], "MMS ")
	binary.LittleEndian.PutUint16(b[36:], kind)
	b[38] = 3
	if _, err := p.c.Write(b); err != nil {
		p.t.Errorf("message %#x: %v", kind, err)
	}
}

// next reads a message, or takes a packet and gives none.
func (p *mmsPlayer) next() (kind uint16, message []byte, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(p.r, head); err != nil {
		return 0, nil, err
	}
	if binary.LittleEndian.Uint32(head[4:]) != mmsSession {
		d := mmsPacket{binary.LittleEndian.Uint32(head), head[4], head[5], make([]byte, int(binary.LittleEndian.Uint16(head[6:]))-len(head))}
		_, err := io.ReadFull(p.r, d.payload)
		if d.incarnation == mmsHas {
			p.header = append(p.header, d.payload...)
		} else {
			p.packets = append(p.packets, d)
		}
		return 0, nil, err
	}
	length := make([]byte, 4)
	if _, err := io.ReadFull(p.r, length); err != nil {
		return 0, nil, err
	}
	b := make([]byte, int(binary.LittleEndian.Uint32(length))+mmsUncounted)
	if _, err := io.ReadFull(p.r, b[12:]); err != nil {
		return 0, nil, err
	}
	return binary.LittleEndian.Uint16(b[36:]), b, nil
}

// hear waits for a message with a result, and takes the packets before it.
func (p *mmsPlayer) hear(want uint16, result uint32) []byte {
	p.t.Helper()
	for {
		kind, b, err := p.next()
		if err != nil {
			p.t.Fatalf("message %#x: %v", want, err)
		}
		switch {
		case b == nil:
		case kind != want || binary.LittleEndian.Uint32(b[mmsFields:]) != result:
			p.t.Fatalf("message %#x with result %#x; %#x with %#x expected", kind, binary.LittleEndian.Uint32(b[mmsFields:]), want, result)
		default:
			return b
		}
	}
}

// takeHeader reads until the header has come, and looks whether it is as long as it was said.
func (p *mmsPlayer) takeHeader(size uint32) {
	p.t.Helper()
	for len(p.header) < int(size) {
		if kind, b, err := p.next(); err != nil || b != nil {
			p.t.Fatalf("message %#x instead of the header (%v)", kind, err)
		}
	}
	if _, err := asf.ParseHeader(p.header); err != nil || len(p.header) != int(size) {
		p.t.Fatalf("header of %d bytes, %d expected (%v)", len(p.header), size, err)
	}
}

// open goes as far as the choice of streams.
func (p *mmsPlayer) open(point string) {
	p.t.Helper()
	p.say(mmsConnect, "NSPlayer/7.0.0.1956; Host: h", 0, 0x0004000B, 0x0003001C)
	p.hear(mmsConnected, 0)
	p.say(mmsFunnel, `\\192.168.0.1\TCP\1242`, 0, 0xFFFFFFFF, 0, 0x00989680, 2)
	p.hear(mmsFunnelled, 0)
	p.say(mmsOpen, point, 1, 0xFFFFFFFF, 0, 0)
	size := binary.LittleEndian.Uint32(p.hear(mmsOpened, 0)[108:])
	p.say(mmsRead, "", 1, 0, 0, 0x00800000, 0xFFFFFFFF, 0, 0, 0, 0, 0x40AC2000, mmsHas, 0)
	p.hear(mmsBlock, 0)
	p.takeHeader(size)
	p.choose()
}

func (p *mmsPlayer) choose() {
	p.t.Helper()
	p.say(mmsSwitch, "", 1, 0x0001FFFF, 0)
	p.hear(mmsSwitched, 0)
}

// start asks for packets.
func (p *mmsPlayer) start() {
	p.t.Helper()
	p.say(mmsStart, "", 1, 0x0001FFFF, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0x00FFFFFF, mmsMediaOf)
	p.hear(mmsStarted, 0)
}

// until takes packets until one is what it should be.
func (p *mmsPlayer) until(what string, ok func() bool) {
	p.t.Helper()
	for !ok() {
		if kind, b, err := p.next(); err != nil || b != nil {
			p.t.Fatalf("message %#x before %s (%v)", kind, what, err)
		}
	}
}

// closes waits for the server to close, within the time that is called at once.
func (p *mmsPlayer) closes() {
	p.t.Helper()
	_ = p.c.SetDeadline(time.Now().Add(answered))
	for {
		_, _, err := p.next()
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			p.t.Errorf("the connection was not closed within %v", answered)
			return
		default:
			return
		}
	}
}
