package e2e

import (
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/mpegts"
)

func init() {
	plays = append(plays,
		play{"curl http asf", "live", curl, curlTakesASF},
		play{"curl http ts", "ts", curl, curlTakesTS},
		play{"curl asx", "live", curl, curlTakesASX},
	)
}

const wanted = 20 // packets that a capture must hold

// curlTakesASF: what curl saves is a header for a live stream and whole packets, the
// first with the beginning of a key frame.
func curlTakesASF(t *testing.T, s server) {
	c := curl.start(t, "-sS -N", s.http("/live"))
	var f film
	hosttest.Eventually(t, "packets of ASF", func() bool {
		f = readFilm(t, c.out.bytes())
		return len(f.packets) >= wanted || c.ended()
	})
	f.check(t)
}

// film is ASF as far as it has come.
type film struct {
	header  asf.Header
	packets []asf.Packet
}

func readFilm(t *testing.T, b []byte) (f film) {
	t.Helper()
	if n, need, err := asf.HeaderSize(b); err != nil {
		t.Fatalf("header: %v", err)
	} else if n == 0 || need > 0 {
		return f
	}
	var err error
	if f.header, err = asf.ParseHeader(b); err != nil {
		t.Fatalf("header: %v", err)
	}
	for b = b[f.header.Size:]; len(b) >= f.header.PacketSize; b = b[f.header.PacketSize:] {
		f.add(t, b[:f.header.PacketSize])
	}
	return f
}

func (f *film) add(t *testing.T, b []byte) {
	t.Helper()
	var p asf.Packet
	if err := asf.ParsePacket(b, f.header.PacketSize, &p); err != nil {
		t.Fatalf("packet %d: %v", len(f.packets), err)
	}
	f.packets = append(f.packets, p)
}

// check asserts that players can begin here.
func (f *film) check(t *testing.T) {
	t.Helper()
	if len(f.packets) < wanted {
		t.Fatalf("%d packets, %d expected", len(f.packets), wanted)
	}
	// ASF 3.2: bit 0 is broadcast, bit 1 seekable.
	if f.header.Flags&3 != 1 {
		t.Errorf("header flags %#x: a live stream is broadcast and not seekable", f.header.Flags)
	}
	if !asf.KeyAt(f.header.Set(asf.Video), &f.packets[0]) {
		t.Errorf("no key frame begins in the first packet")
	}
	for i := 1; i < len(f.packets); i++ {
		if f.packets[i].SendTime < f.packets[i-1].SendTime {
			t.Errorf("send time goes from %d to %d ms at packet %d", f.packets[i-1].SendTime, f.packets[i].SendTime, i)
		}
	}
}

// curlTakesTS: what curl saves begins with the tables, and a key frame comes before any
// other picture.
func curlTakesTS(t *testing.T, s server) {
	c := curl.start(t, "-sS -N", s.http("/ts"))
	var b []byte
	hosttest.Eventually(t, "packets of MPEG-TS", func() bool {
		b = c.out.bytes()
		return len(b) >= wanted*mpegts.PacketSize || c.ended()
	})
	if len(b) < wanted*mpegts.PacketSize {
		t.Fatalf("%d bytes", len(b))
	}
	if pid := int(b[1]&0x1F)<<8 | int(b[2]); b[0] != 0x47 || pid != 0 { // ISO 13818-1 2.4.3.2, 2.4.4.3
		t.Errorf("begins with % x, not with a program association table", b[:4])
	}
	var d mpegts.Demux
	for n := range wanted {
		if r := d.Feed(b[n*mpegts.PacketSize:][:mpegts.PacketSize]); r.Cut && r.Video() {
			if !r.Key {
				t.Errorf("the first picture, in packet %d, is no key frame", n)
			}
			return
		}
	}
	t.Errorf("no picture begins in the first %d packets", wanted)
}

func curlTakesASX(t *testing.T, s server) {
	curl.run(t, "-sS -i", s.http("/live.asx")).succeeded().says("200 OK").says("Content-Type: video/x-ms-asf").
		says("<asx version").says(`<ref href="` + s.mmsh("/live") + `"/>`)
}
