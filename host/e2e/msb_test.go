//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/weir-media/weir/sdk/asf"
)

// nscBlock decodes a value of an .nsc file (wire digest §6.2).
func nscBlock(s string) (key uint32, data []byte) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz{}"
	bits, count := uint32(0), 0
	var b []byte
	for _, c := range strings.TrimPrefix(s, "02") {
		if bits, count = bits<<6|uint32(strings.IndexRune(alphabet, c)), count+6; count >= 8 {
			count -= 8
			b = append(b, byte(bits>>count))
		}
	}
	if len(b) < 9 {
		return 0, nil
	}
	return binary.BigEndian.Uint32(b[1:]), b[9:]
}

// nscValue gives the value behind a key of an .nsc file.
func nscValue(file, key string) string {
	_, rest, _ := strings.Cut(file, "\r\n"+key+"=")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func nscText(file, key string) string {
	_, data := nscBlock(nscValue(file, key))
	var wide []uint16
	for ; len(data) > 1; data = data[2:] {
		wide = append(wide, binary.LittleEndian.Uint16(data))
	}
	return strings.TrimRight(string(utf16.Decode(wide)), "\x00")
}

func unicastURL(file string) string { return nscText(file, "Unicast URL") }

// encodeFilm has ffmpeg write an ASF file in packets that fit into a datagram.
func encodeFilm(t *testing.T, seconds string) []byte {
	t.Helper()
	ffmpeg.need(t)
	at := filepath.Join(t.TempDir(), "film.asf")
	ffmpeg.run(t, strings.Replace(picture, "-re ", "", 1), wmv, "-packet_size 1400 -f asf -t", seconds, at).succeeded()
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shortFilm gives the header and the packets of one.
func shortFilm(t *testing.T) (header []byte, packets [][]byte) {
	t.Helper()
	b := encodeFilm(t, "8")
	h, err := asf.ParseHeader(b)
	if err != nil || h.PacketSize != 1400 {
		t.Fatalf("packets of %d bytes (%v)", h.PacketSize, err)
	}
	for rest := b[h.Size:]; len(rest) >= h.PacketSize && len(packets) < int(h.DataPackets); rest = rest[h.PacketSize:] {
		packets = append(packets, rest[:h.PacketSize])
	}
	return b[:h.Size], packets
}

// TestMSB: a receiver that knows nothing but the .nsc gets each packet as the encoder has sent it, under a number that tells its place. One encoder
// sends whole packets, the other, of Windows Media, leaves their padding out.
func TestMSB(t *testing.T) {
	t.Parallel()
	header, packets := shortFilm(t)
	w := newWiredAs(t, strings.NewReplacer("plugins:\n", `plugins:
  wmpush:
    module: ./wmpush.wasm
    listeners: [web]
    grant: {publish: ["*"]}
`, "points:\n", `points:
  studio:
    source: push
    multicast: {group: "239.255.7.9:26000", rendition: msb, interface: s0}
`).Replace(announcedYAML))
	t.Run("push", func(t *testing.T) {
		encoder := w.in(t).dialHere("127.0.0.1:8080")
		send(t, encoder, []byte("POST /live HTTP/1.1\r\nHost: h\r\nContent-Type: video/x-ms-asf\r\nTransfer-Encoding: chunked\r\n\r\n"))
		sendChunk(t, encoder, header)
		w.in(t).isExactByMSB("live", header, packets, func(packet []byte) { sendChunk(t, encoder, packet) })
	})
	t.Run("wmpush", func(t *testing.T) {
		c := w.in(t).dialHere("127.0.0.1:8080")
		e := &wmEncoder{t: t, to: "127.0.0.1:8080", point: "studio", id: "0", conn: c, in: bufio.NewReader(c), reel: reel{header: header, size: 1400, packets: packets}}
		e.setUp("")
		e.head("pushstart", unknownLength)
		e.write(wmChunk(asf.ChunkHeader, header))
		w.in(t).isExactByMSB("studio", header, packets, func([]byte) { e.write(e.next()) })
		e.stripped(t, packets)
	})
}

// isExactByMSB sends packets and receives them.
func (w *wired) isExactByMSB(point string, header []byte, packets [][]byte, send func(packet []byte)) {
	t := w.t
	t.Helper()
	sent := 0
	for ; sent < 60; sent++ { // the beginning, so that there is a key packet
		send(packets[sent])
	}
	w.awaitPoint(point, "live")

	file := w.fetch(announcing + point + ".nsc")
	format, described := nscBlock(nscValue(file, "Format1"))
	if a, err := asf.ParseHeader(described); err != nil || a.PacketSize != 1400 || !asf.Compatible(header, described) || format == 0 || format > 2047 {
		t.Fatalf("format %d of %d bytes (%v)", format, len(described), err)
	}
	var port uint16
	if _, err := fmt.Sscanf(nscValue(file, "IP Port"), "0x%08X", &port); err != nil {
		t.Fatal(err)
	}
	if from := nscText(file, "Multicast Adapter"); from != "10.77.0.1" {
		t.Errorf("comes from %q", from)
	}
	group := netip.AddrPortFrom(netip.MustParseAddr(nscText(file, "IP Address")), port)
	receiver := w.hear(group.String()).conn
	got := map[uint32][]byte{}
	for ; sent < len(packets); sent++ { // what was sent before the receiver came is not missed
		send(packets[sent])
		if sent%20 == 19 || sent == len(packets)-1 {
			await(t, receiver, packets[sent], uint16(format), got)
		}
	}
	judgeNumbers(t, got, packets)
}

// await reads datagrams until a packet has come.
func await(t *testing.T, c *net.UDPConn, last []byte, format uint16, to map[uint32][]byte) {
	t.Helper()
	b := make([]byte, 1<<16)
	for {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		le := binary.LittleEndian // MS-MSB 2.2.4
		if n < 8 || int(le.Uint16(b[6:])) != n || le.Uint16(b[4:]) != format {
			t.Fatalf("datagram of %d bytes begins with %x", n, b[:8])
		}
		id := le.Uint32(b)
		if to[id] != nil {
			t.Fatalf("number %d comes twice", id)
		}
		to[id] = bytes.Clone(b[8:n])
		if bytes.Equal(to[id], last) {
			return
		}
	}
}

// judgeNumbers wants the numbers to count, without one left out, in the order in which the encoder has sent the packets: from the first that came to the
// last of all.
func judgeNumbers(t *testing.T, got map[uint32][]byte, sent [][]byte) {
	t.Helper()
	var ids []uint32
	for id := range got {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) < 60 {
		t.Fatalf("%d packets came of %d", len(ids), len(sent))
	}
	first := slices.IndexFunc(sent, func(b []byte) bool { return bytes.Equal(b, got[ids[0]]) })
	for i, id := range ids {
		if id != ids[0]+uint32(i) {
			t.Fatalf("number %d follows %d", id, ids[i-1])
		}
		if first < 0 || first+i >= len(sent) || !bytes.Equal(got[id], sent[first+i]) {
			t.Fatalf("packet %d is not what the encoder has sent as its %dth", id, first+i)
		}
	}
	if first+len(ids) != len(sent) {
		t.Errorf("%d packets from the %dth on came of %d", len(ids), first, len(sent))
	}
}

// dialHere connects within the server's namespace.
func (w *wired) dialHere(to string) (c net.Conn) {
	w.t.Helper()
	var err error
	w.space.Do(func() { c, err = net.Dial("tcp4", to) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, to io.Writer, b []byte) {
	t.Helper()
	if _, err := to.Write(b); err != nil {
		t.Fatal(err)
	}
}

func sendChunk(t *testing.T, to io.Writer, b []byte) {
	t.Helper()
	send(t, to, append(append(fmt.Appendf(nil, "%x\r\n", len(b)), b...), "\r\n"...))
}
