package mpegts

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// muxed is an access unit of a test: what goes into a Mux, or what comes out of a Demux.
type muxed struct {
	track    int
	pts, dts int64
	key      bool
	es       []byte
}

// taken demultiplexes packets with this package's own Demux, and puts the elementary
// bytes of each PES packet together.
func taken(t testing.TB, b []byte) (units []muxed, streams []Stream) {
	t.Helper()
	if len(b)%PacketSize != 0 || Whole(b) != len(b) {
		t.Fatalf("%d bytes, %d of them packets", len(b), Whole(b))
	}
	var d Demux
	open := map[uint16]int{}
	each(b, func(p []byte) {
		r := d.Feed(p)
		if r.Broken || r.Repeat || r.Gap {
			t.Fatalf("%+v of % x", r, p[:12])
		}
		var k packet
		if !k.open(p) || k.payload == PacketSize || r.Kind != Video && r.Kind != Audio {
			return
		}
		at := k.payload
		if r.PESStart {
			h, ok := k.pes()
			if !ok || !r.HasTime {
				t.Fatalf("%+v: no head", r)
			}
			at = h.data
			open[r.PID] = len(units)
			units = append(units, muxed{track: int(r.PID) - muxFirst, pts: r.PTS, dts: r.DTS, key: k.adapt&adaptRandomAccess != 0})
		}
		u := &units[open[r.PID]]
		u.es = append(u.es, k.b[at:]...)
	})
	return units, d.Streams()
}

func made(t testing.TB, m *Mux, units []muxed) (out []byte) {
	t.Helper()
	for _, u := range units {
		size := len(u.es)
		if m.tracks[u.track].codec.kind() == Video {
			size = 0
		}
		out = m.Begin(out, u.track, Unit{PTS: u.pts, DTS: u.dts, Key: u.key, Size: size})
		for at, n := 0, 1; at < len(u.es); n = n*3 + 1 {
			end := min(at+n, len(u.es))
			out = m.Write(out, u.track, u.es[at:end])
			at = end
			var again Mux // goes on from its state
			state, _ := m.AppendBinary(nil)
			if err := again.UnmarshalBinary(state); err != nil {
				t.Fatal(err)
			}
			if more, _ := again.AppendBinary(nil); !bytes.Equal(more, state) || len(state) > MaxMuxState {
				t.Fatalf("state %x comes back as %x", state, more)
			}
			*m = again
		}
		out = m.End(out, u.track)
	}
	return out
}

func same(t testing.TB, got, want []muxed) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d units, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.track != w.track || g.pts != w.pts || g.dts != w.dts || g.key != w.key || !bytes.Equal(g.es, w.es) {
			t.Fatalf("unit %d: track %d at %d, %d, key %v, %d bytes; want track %d at %d, %d, key %v, %d bytes",
				i, g.track, g.pts, g.dts, g.key, len(g.es), w.track, w.pts, w.dts, w.key, len(w.es))
		}
	}
}

// bytesOf gives n bytes that look like no start code.
func bytesOf(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i%200) + 2
	}
	return b
}

func TestMuxRoundTrip(t *testing.T) {
	var m Mux
	for _, c := range []Codec{AAC, H264, Opus, MPEGAudio} {
		if _, ok := m.Add(c); !ok {
			t.Fatalf("%v is not taken", c)
		}
	}
	if _, ok := m.Add(AC3); ok {
		t.Error("a fifth track is taken")
	}
	var units []muxed
	at := int64(wrap - 200_000) // over the end of 33 bits
	for n := range 400 {        // each size around those of one packet and of two
		video := n%2 == 0
		u := muxed{track: 1, dts: at + int64(n)*1500, es: bytesOf(1+n, byte(n))}
		u.pts = u.dts
		switch {
		case video && n%4 == 0:
			u.pts += 3000
			u.key = n%40 == 0
		case !video:
			u.track = []int{0, 2, 3}[n/2%3]
		}
		units = append(units, u)
	}
	out := made(t, &m, units)
	got, streams := taken(t, out)
	same(t, got, units)
	want := []Codec{AAC, H264, Opus, MPEGAudio}
	for i, s := range streams {
		if s.Codec != want[i] || len(streams) != len(want) {
			t.Errorf("%+v", streams)
		}
	}
}

// TestMuxClock: the clock is there at least each 40 ms, rises, and precedes all decoding
// times, at one picture a second too, when sound comes between.
func TestMuxClock(t *testing.T) {
	for _, codecs := range [][]Codec{{H264, AAC}, {AAC}} {
		var m Mux
		for _, c := range codecs {
			m.Add(c)
		}
		var out []byte
		sound := len(codecs) - 1
		for at := int64(180_000); at < 180_000+10*TicksPerSecond; at += 1920 {
			if sound > 0 && at%TicksPerSecond < 1920 {
				out = m.Begin(out, 0, Unit{PTS: at, DTS: at, Key: true})
				out = m.Write(out, 0, bytesOf(5000, 0)) // still open when sound comes
			}
			out = m.Begin(out, sound, Unit{PTS: at, DTS: at, Key: true, Size: 300})
			out = m.End(m.Write(out, sound, bytesOf(300, 1)), sound)
		}
		var d Demux
		last, clocks, tables := int64(0), 0, 0
		each(out, func(p []byte) {
			r := d.Feed(p)
			if r.Kind == Table {
				tables++
			}
			if r.Gap || r.Repeat || r.HasTime && r.DTS < last {
				t.Fatalf("%+v, clock %d", r, last)
			}
			if r.HasPCR {
				if clocks++; clocks > 1 && (r.PCR <= last || r.PCR-last > clockEvery+1920) {
					t.Fatalf("clock %d after %d", r.PCR, last)
				}
				last = r.PCR
			}
		})
		if tables < 2*90 || tables > 2*120 {
			t.Errorf("%d packets of tables in 10 s", tables)
		}
	}
}

func TestMuxIgnores(t *testing.T) {
	var m Mux
	if out := m.End(m.Write(m.Begin(nil, 0, Unit{}), 0, []byte("x")), 0); out != nil {
		t.Errorf("%x of no track", out)
	}
	m.Add(H264)
	if out := m.End(m.Write(nil, 0, []byte("x")), 0); out != nil {
		t.Errorf("%x without a unit", out)
	}
	if _, ok := m.Add(UnknownCodec); ok {
		t.Error("an unknown codec is taken")
	}
	out := m.Begin(nil, 0, Unit{PTS: 180_000, DTS: 180_000})
	if _, ok := m.Add(AAC); ok || len(out) != 2*PacketSize {
		t.Errorf("a track is added too late, or no tables first: %d bytes", len(out))
	}
}

func TestMuxJumpsBack(t *testing.T) {
	var m Mux
	m.Add(H264)
	out := m.Begin(nil, 0, Unit{PTS: 9_000_000, DTS: 9_000_000})
	out = m.Begin(out, 0, Unit{PTS: 180_000, DTS: 180_000})
	out = m.End(out, 0)
	gaps := 0
	var d Demux
	each(out, func(p []byte) {
		if r := d.Feed(p); r.Gap {
			gaps++
		}
	})
	if gaps != 1 {
		t.Errorf("%d discontinuities are told, want 1", gaps)
	}
}

func TestAppendOpusHead(t *testing.T) {
	for size, want := range map[int]string{0: "7fe000", 254: "7fe0fe", 255: "7fe0ff00", 600: "7fe0ffff5a"} {
		if got := hexOf(AppendOpusHead(nil, size)); got != want {
			t.Errorf("%d: %s, want %s", size, got, want)
		}
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func TestMuxDoesNotAllocate(t *testing.T) {
	var m, again Mux
	m.Add(H264)
	m.Add(AAC)
	out, state := make([]byte, 0, 64<<10), make([]byte, 0, MaxMuxState)
	es, at := bytesOf(6000, 3), int64(180_000)
	if n := testing.AllocsPerRun(100, func() {
		at += 3000
		out = m.Begin(out[:0], 0, Unit{PTS: at + 3000, DTS: at, Key: true})
		out = m.Write(out, 0, es[:4000])
		out = m.Begin(out, 1, Unit{PTS: at, DTS: at, Size: 300})
		out = m.End(m.Write(out, 1, es[:300]), 1)
		out = m.End(m.Write(out, 0, es[4000:]), 0)
		state, _ = m.AppendBinary(state[:0])
		_ = again.UnmarshalBinary(state)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMuxForFFmpeg takes a real encoder's streams apart, makes a stream of them anew, and
// has ffmpeg decode it.
func TestMuxForFFmpeg(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not installed")
	}
	units, streams := taken(t, read(t, "h264.ts"))
	var m Mux
	for _, s := range streams {
		m.Add(s.Codec)
	}
	path := filepath.Join(t.TempDir(), "made.ts")
	if err := os.WriteFile(path, made(t, &m, units), 0o600); err != nil {
		t.Fatal(err)
	}
	frames := func(path string) string {
		out, err := exec.Command("ffmpeg", "-nostdin", "-v", "warning", "-i", path, "-f", "framemd5", "-").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if got, want := frames(path), frames("testdata/h264.ts"); got != want || strings.Count(got, "\n") < 30 {
		t.Errorf("decoded differently:\n%s\nwant\n%s", got, want)
	}
}

// FuzzMux: what is put in comes out of this package's own Demux.
func FuzzMux(f *testing.F) {
	f.Add([]byte{0, 200, 1, 3, 50, 2, 1, 183, 0}, byte(2))
	f.Add([]byte{128, 0, 1, 0, 184, 9, 1, 177, 3, 1, 176, 3, 1, 178, 3}, byte(1))
	f.Fuzz(func(t *testing.T, plan []byte, tracks byte) {
		var m Mux
		codecs := []Codec{H264, AAC, MPEGAudio, H265}
		for _, c := range codecs[:1+tracks%MaxTracks] {
			m.Add(c)
		}
		var units []muxed
		at := int64(180_000)
		for ; len(plan) >= 3; plan = plan[3:] {
			at += int64(plan[2]) * 100
			u := muxed{track: int(plan[0]&3) % m.Tracks(), dts: at, pts: at + int64(plan[0]>>4&3)*1000, es: bytesOf(1+int(binary.BigEndian.Uint16(plan)&0x3FF), plan[2])}
			u.key = plan[0]&0x80 != 0 && codecs[u.track].kind() == Video
			units = append(units, u)
		}
		got, _ := taken(t, made(t, &m, units))
		same(t, got, units)
	})
}

func FuzzMuxState(f *testing.F) {
	var m Mux
	m.Add(H264)
	m.Add(AAC)
	m.Write(m.Begin(nil, 0, Unit{PTS: 180_000, DTS: 180_000, Key: true}), 0, []byte("some"))
	state, _ := m.AppendBinary(nil)
	f.Add(state, []byte("more"))
	f.Fuzz(func(t *testing.T, state, b []byte) {
		var m Mux
		if m.UnmarshalBinary(state) != nil {
			return
		}
		if again, _ := m.AppendBinary(nil); len(state) > 0 && !bytes.Equal(again, state) {
			t.Fatalf("%x comes back as %x", state, again)
		}
		var out []byte
		for i := range m.Tracks() {
			out = m.Write(out, i, b)
			out = m.End(out, i)
			out = m.Begin(out, i, Unit{PTS: 1, DTS: 1, Key: true})
			out = m.End(m.Write(out, i, b), i)
		}
		if len(out)%PacketSize != 0 || Whole(out) != len(out) {
			t.Fatalf("%d bytes", len(out))
		}
	})
}
