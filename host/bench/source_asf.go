package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// Where things stand in a packet of the ASF source: one payload, which is one whole media object (ASF 5.2.3.1).
const (
	asfSendTimeAt = 5
	asfStreamAt   = 11
	asfTimeAt     = 22
	asfMarkerAt   = 26
	asfReplicated = 8
	asfLengths    = 0x5D // ASF 5.2.2: stream and object number one byte, offset four, replicated data length one
	asfKeyMS      = 1000 // between key packets
)

// pushASF is what mediasrc is for transport streams: it posts packets of ASF at kbit kbit/s to an HTTP address, each with a marker, until the connection fails.
func pushASF(address string, kbit int) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("asf source: %w", err)
	}
	h, err := asf.ParseHeader(sample.Demo())
	if err != nil {
		return fmt.Errorf("asf source: %w", err)
	}
	video := h.Set(asf.Video)
	var number byte
	for n := range byte(asf.MaxStreams) {
		if video.Has(n) {
			number = n
		}
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return fmt.Errorf("asf source: %w", err)
	}
	defer conn.Close()
	w := bufio.NewWriter(conn)
	fmt.Fprintf(w, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nTransfer-Encoding: chunked\r\n\r\n", u.RequestURI(), u.Host)
	writeChunk(w, asf.Broadcast(nil, sample.Demo()[:h.Size], [16]byte{}))
	packet := make([]byte, h.PacketSize)
	every := time.Duration(h.PacketSize*8) * time.Second / time.Duration(kbit*1000)
	timer := time.NewTimer(0)
	keyed := int64(-asfKeyMS)
	start := time.Now()
	for n := 0; ; n++ {
		due := time.Duration(n) * every
		timer.Reset(time.Until(start.Add(due)))
		<-timer.C
		ms := due.Milliseconds()
		key := ms-keyed >= asfKeyMS
		if key {
			keyed = ms
		}
		asfPacket(packet, n, uint32(ms), uint32(h.Preroll), number, key)
		writeChunk(w, packet)
		if err := w.Flush(); err != nil {
			return fmt.Errorf("asf source: %w", err)
		}
	}
}

func asfPacket(p []byte, n int, ms, preroll uint32, stream byte, key bool) {
	for i := range p {
		p[i] = fillerByte
	}
	clear(p[:asfMarkerAt])
	p[0] = 0x82 // ASF 5.2.1
	p[4] = asfLengths
	binary.LittleEndian.PutUint32(p[asfSendTimeAt:], ms)
	p[asfStreamAt] = stream
	if key {
		p[asfStreamAt] |= 0x80
	}
	p[12] = byte(n)
	p[17] = asfReplicated
	binary.LittleEndian.PutUint32(p[18:], uint32(len(p)-asfMarkerAt))
	binary.LittleEndian.PutUint32(p[asfTimeAt:], ms+preroll)
	copy(p[asfMarkerAt:], fmt.Sprintf("LMTS%016x%08x", time.Now().UnixNano(), uint32(n)))
}

// writeChunk writes a piece of a chunked body (RFC 9112 7.1); a failure shows at the next Flush.
func writeChunk(w *bufio.Writer, b []byte) {
	fmt.Fprintf(w, "%x\r\n", len(b))
	_, _ = w.Write(b)
	_, _ = w.WriteString("\r\n")
}

// asfSource is the subcommand: bench source-asf KBIT URL.
func asfSource(args []string) error {
	var kbit int
	if len(args) != 2 {
		return errors.New("usage: bench source-asf KBIT URL")
	}
	if _, err := fmt.Sscan(args[0], &kbit); err != nil || kbit <= 0 {
		return fmt.Errorf("source-asf: %q is no rate in kbit/s", args[0])
	}
	return pushASF(args[1], kbit)
}
