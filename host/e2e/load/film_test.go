//go:build linux

package load_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// film is a stream whose units, ASF packets or transport packets, are of one size and hold their number, so that a viewer can say where it is.
type film struct {
	header []byte // what an encoder sends first
	units  []byte
	unit   int           // bytes
	step   time.Duration // between two units
}

func (f *film) count() int { return len(f.units) / f.unit }

// Where things stand in a packet of an ASF film: one payload, which is one whole media object (ASF 5.2.3.1).
const (
	packetSize   = 1400 // bytes; one fits an Ethernet frame
	sendTimeAt   = 5
	streamAt     = 11
	timeAt       = 22
	numberAt     = 26
	packetLead   = numberAt + 8
	keyDistance  = 30 // packets; a third of a second at 1 Mbit/s
	keyBit       = 0x80
	replicated   = 8
	fixedLengths = 0x5D // ASF 5.2.2: stream and object number one byte, offset four, replicated data length one
)

// asfHeader is the sample's, as an encoder sends it.
func asfHeader(t testing.TB) []byte {
	t.Helper()
	h, err := asf.ParseHeader(sample.Demo())
	if err != nil || h.PacketSize != packetSize {
		t.Fatalf("sample: packets of %d bytes, %v", h.PacketSize, err)
	}
	return asf.Broadcast(nil, sample.Demo()[:h.Size], [16]byte{})
}

// asfFilm makes a film that begins with packet number first at time 0.
func asfFilm(t testing.TB, first int, length time.Duration, bitsPerSecond int) *film {
	t.Helper()
	f := &film{header: asfHeader(t), unit: packetSize}
	f.step = time.Duration(packetSize*8) * time.Second / time.Duration(bitsPerSecond)
	h, _ := asf.ParseHeader(f.header)
	var video byte
	for _, s := range h.List() {
		if s.Kind == asf.Video {
			video = s.Number
		}
	}
	n := int(length/f.step) + 1
	f.units = make([]byte, n*packetSize)
	for i := range n {
		p := f.units[i*packetSize : (i+1)*packetSize]
		ms := uint32((time.Duration(i) * f.step).Milliseconds())
		p[0] = 0x82 // ASF 5.2.1
		p[4] = fixedLengths
		binary.LittleEndian.PutUint32(p[sendTimeAt:], ms)
		p[streamAt] = video
		if i%keyDistance == 0 {
			p[streamAt] |= keyBit
		}
		p[12] = byte(i)
		p[17] = replicated
		binary.LittleEndian.PutUint32(p[18:], packetSize-numberAt)
		binary.LittleEndian.PutUint32(p[timeAt:], ms+uint32(h.Preroll))
		binary.LittleEndian.PutUint64(p[numberAt:], uint64(first+i))
		scribble(p[packetLead:], uint64(first+i))
	}
	return f
}

// scribble fills b with bytes that depend on the seed alone (xorshift64).
func scribble(b []byte, seed uint64) {
	x := seed*0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1D
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
}

// form is a film as viewers of one protocol must get it.
type form struct {
	name    string
	request string
	units   []byte
	unit    int
	lead    int                         // bytes of a unit that tell its number
	number  func(lead []byte) (n int)   // -1: it is no unit
	isKey   func(unit []byte) bool      // whether viewers may begin here
	prelude func(b []byte) (int, error) // how many bytes of b precede the first unit; 0: b is too short to tell
	end     []byte                      // what follows the last unit
	markAt  int                         // where a unit's lead holds a mark of its packager, 0: nowhere
	more    func(lead []byte) error     // makes units longer when a viewer has reached their end; may be nil
}

func get(path, agent string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: weir.test\r\nUser-Agent: " + agent + "\r\n"
}

// playRequest is what ffmpeg sends to play (wire digest 1.3).
func playRequest(path string) string {
	return get(path, "NSPlayer/4.1.0.3856") + "Accept: */*\r\nPragma: no-cache,rate=1.000000,request-context=2\r\nPragma: xPlayStrm=1\r\n" +
		"Pragma: xClientGUID={c77e7400-738a-11d2-9add-0020af0a3278}\r\nPragma: stream-switch-count=2\r\n" +
		"Pragma: stream-switch-entry=ffff:1:0 ffff:2:0 \r\nPragma: no-cache,rate=1.000000,stream-time=0Connection: Close\r\n\r\n"
}

// overHTTP is the film for plain viewers of a point.
func (f *film) overHTTP(point string) *form {
	return &form{name: "http", request: get("/"+point, "load") + "\r\n", units: f.units, unit: f.unit, lead: packetLead,
		number: packetNumber, isKey: func(u []byte) bool { return u[streamAt]&keyBit != 0 }, prelude: f.headerPrelude()}
}

// overMMSH is the film for Windows Media players: each packet in a $D chunk (MS-WMSP 2.2.3.1).
func (f *film) overMMSH(point string) *form {
	m := &form{name: "mmsh", request: playRequest("/" + point), units: framed(f.units, 0), unit: asf.ChunkHeadSize + packetSize,
		lead: asf.ChunkHeadSize + packetLead, isKey: func(u []byte) bool { return u[asf.ChunkHeadSize+streamAt]&keyBit != 0 }}
	m.number = func(lead []byte) int {
		if lead[0] != '$' || lead[1] != byte(asf.ChunkData) {
			return -1
		}
		return packetNumber(lead[asf.ChunkHeadSize:])
	}
	inner := f.headerPrelude()
	m.prelude = func(b []byte) (int, error) {
		c, need, err := asf.ParseChunk(b, asf.FramedMMS)
		if err != nil || need > 0 || len(b) < c.Size {
			return 0, err
		}
		if c.Kind != asf.ChunkHeader || c.Flags != asf.AFSingle {
			return 0, fmt.Errorf("the stream begins with a chunk %c, flags %#x", c.Kind, c.Flags)
		}
		n, err := inner(b[c.Payload:c.Size])
		if err == nil && n != c.Size-c.Payload {
			err = errors.New("$H holds more than a header")
		}
		return c.Size, err
	}
	done := asf.EndChunk(asf.ReasonDone)
	m.end = done[:]
	return m
}

// framed puts plain packets, of which the first has that number, into $D chunks.
func framed(packets []byte, first int) []byte {
	b := make([]byte, 0, len(packets)/packetSize*(packetSize+asf.ChunkHeadSize))
	for i := 0; i < len(packets); i += packetSize {
		head := asf.DataChunkHead(uint32(first+i/packetSize), packetSize)
		b = append(append(b, head[:]...), packets[i:i+packetSize]...)
	}
	return b
}

func packetNumber(lead []byte) int {
	if lead[0] != 0x82 {
		return -1
	}
	return int(binary.LittleEndian.Uint64(lead[numberAt:]))
}

// headerPrelude expects the pushed header made fit for broadcast: only the file id is the server's choice.
func (f *film) headerPrelude() func(b []byte) (int, error) {
	return func(b []byte) (int, error) {
		n, need, err := asf.HeaderSize(b)
		if err != nil || n == 0 || need > 0 {
			return 0, err
		}
		h, err := asf.ParseHeader(b)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(b[:n], asf.Broadcast(nil, f.header, h.FileID)) {
			return 0, errors.New("the header is not the pushed one")
		}
		return n, nil
	}
}
