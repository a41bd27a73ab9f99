//go:build linux

package load_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/weir-media/weir/sdk/asf"
)

// bodies are the beginnings of good pushes, by their layout.
func bodies(t *testing.T) map[string][]byte {
	f := asfFilm(t, 0, 100*time.Millisecond, megabit)
	packets := f.units[:3*packetSize]
	mms, err := asf.AppendHeaderChunk(nil, f.header)
	if err != nil {
		t.Fatal(err)
	}
	// MS-WMHTTP 2.2.3: the same chunks without the 8-byte head.
	chunk := func(kind byte, b []byte) []byte {
		return append(binary.LittleEndian.AppendUint16([]byte{'$', kind}, uint16(len(b))), b...)
	}
	pushed := chunk('H', f.header)
	for i := 0; i < len(packets); i += packetSize {
		pushed = append(pushed, chunk('D', packets[i:i+packetSize])...)
	}
	return map[string][]byte{
		"plain":      append(bytes.Clone(f.header), packets...),
		"asf_stream": append(mms, framed(packets, 1)...),
		"wmhttp":     pushed,
		"ts":         tsFilm(100*time.Millisecond, megabit).units[:30*188],
	}
}

// cuts are the interesting lengths of a body: each byte at its beginning and around each packet's, and every so many between.
func cuts(b []byte) []int {
	var all []int
	every := scale(41, 1)
	for n := 0; n <= len(b); n++ {
		if n < scale(60, 400) || n%every == 0 || len(b)-n < 4 {
			all = append(all, n)
		}
	}
	return all
}

// truncated: a push that ends anywhere, in each way in which a connection can end.
func (x *siege) truncated(t *testing.T) {
	for name, whole := range bodies(t) {
		all := cuts(whole)
		crowd(t, len(all), func(i int) error {
			n := all[i]
			point, body := spare(i), whole[:n]
			long := fmt.Sprintf("Content-Length: %d\r\n", len(whole)+1)
			for _, c := range []struct {
				fields string
				body   []byte
				how    parting
			}{
				{"Transfer-Encoding: chunked\r\n", chunked(body, true), waiting},
				{"Transfer-Encoding: chunked\r\n", chunked(body, false), finished},
				{"", body, finished},
				{"", body, reset},
				{long, body, finished},
			} {
				status, err := x.send(point, c.fields, c.body, c.how)
				switch {
				case err != nil:
					return fmt.Errorf("%s cut at %d, %q: %w", name, n, c.fields, err)
				case status != 0 && status != 200 && status != 400 && status != 415:
					return fmt.Errorf("%s cut at %d, %q: status %d", name, n, c.fields, status)
				case status == 0 && c.how == waiting:
					return fmt.Errorf("%s cut at %d, %q: closed without an answer", name, n, c.fields)
				}
			}
			return nil
		})
	}
}

// garbage: bodies that begin well, or look as if, and go on with random bytes; and good ones with some bytes changed.
func (x *siege) garbage(t *testing.T) {
	good := bodies(t)
	names := []string{"plain", "asf_stream", "wmhttp", "ts"}
	begins := [][]byte{nil, []byte("$H"), []byte("$D"), []byte("$E\x08\x00"), {0x24, 0xC8}, asfHeader(t)[:16], asfHeader(t), {0x47}, []byte("OggS"), {0x1A, 0x45, 0xDF, 0xA3}, []byte("FLV\x01")}
	for _, name := range names {
		begins = append(begins, good[name][:len(good[name])/2])
	}
	crowd(t, scale(400, 20_000), func(i int) error {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		var body []byte
		if i%2 == 0 {
			body = bytes.Clone(begins[i/2%len(begins)])
			for range r.IntN(20_000) {
				body = append(body, byte(r.Uint32()))
			}
		} else {
			body = bytes.Clone(good[names[i/2%len(names)]])
			for range 1 + r.IntN(8) {
				body[r.IntN(len(body))] = byte(r.Uint32())
			}
			if at := r.IntN(200); r.IntN(2) == 0 { // most that is decided is decided at the beginning
				body[at] ^= 1 << r.IntN(8)
			}
		}
		status, err := x.send(spare(i), "Transfer-Encoding: chunked\r\n", chunked(body, true), waiting)
		switch {
		case err != nil:
			return err
		case status != 0 && status != 200 && status != 400 && status != 415:
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
	// Sync bytes at the right distance and nothing else: it is a transport stream in which no programme comes.
	null := bytes.Repeat(append([]byte{0x47, 0x1F, 0xFF, 0x10}, make([]byte, 184)...), 1000)
	status, err := x.send(spare(0), "Transfer-Encoding: chunked\r\n", append(bytes.Repeat(chunked(null, false), 24), "0\r\n\r\n"...), waiting)
	if err != nil || status != 0 && status != 200 && status != 400 {
		t.Errorf("4 MB of null packets: status %d, %v", status, err)
	}
}

// busy: further encoders of a point that has one are told so, and are reset.
func (x *siege) busy(t *testing.T) {
	good := bodies(t)
	crowd(t, scale(40, 1000), func(i int) error {
		answer, err := x.talk(append([]byte("POST /live HTTP/1.1\r\nHost: weir.test\r\nTransfer-Encoding: chunked\r\n\r\n"), chunked(good["plain"], false)...), waiting)
		if err != nil {
			return err
		}
		all, err := responses(answer)
		if err != nil {
			return fmt.Errorf("answer %.300q: %w", answer, err)
		}
		if len(all) > 1 || len(all) == 1 && all[0] != 409 {
			return fmt.Errorf("answer %.300q", answer)
		}
		return nil
	})
	// One that reads no answer, as ffmpeg, must notice all the same.
	c, err := net.Dial("tcp", x.at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err = c.Write([]byte("POST /live HTTP/1.1\r\nHost: weir.test\r\nTransfer-Encoding: chunked\r\n\r\n"))
	for b := chunked(good["plain"], false); err == nil; {
		_, err = c.Write(b)
	}
	if !gone(err) {
		t.Errorf("an encoder that is not wanted can write for %v: %v", patience, err)
	}
}
