package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/matroska"
	"github.com/weir-media/weir/sdk/sdktest"
)

const dir = "../../sdk/matroska/testdata/"

func start(t testing.TB) *rig {
	r := newRig(t)
	r.Send(&abi.Published{Point: []byte("live"), Rendition: []byte("webm"), SourceGeneration: 1})
	return r
}

// element builds one with a size of four bytes.
func element(id uint32, body ...byte) []byte {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if c := byte(id >> shift); c != 0 || len(b) > 0 {
			b = append(b, c)
		}
	}
	n := len(body)
	return append(append(b, 0x10|byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), body...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Tracks by number: 1 has pictures, 2 sound.
func track(number byte) []byte {
	kind := number
	return element(0xAE, join(element(0xD7, number), element(0x83, kind))...)
}

// start of a document with these tracks.
func document(tracks ...[]byte) []byte {
	return join(element(matroska.IDEBML, element(matroska.IDDocType, []byte("webm")...)...),
		[]byte("\x18\x53\x80\x67\xFF"), element(matroska.IDVoid, make([]byte, 300)...), element(matroska.IDTracks, join(tracks...)...))
}

// cluster opens one of unknown size.
func cluster(ms int) []byte {
	return append([]byte("\x1F\x43\xB6\x75\xFF"), element(matroska.IDTimestamp, byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms))...)
}

func block(track byte, rel int, key bool, size int) []byte {
	flags := byte(0)
	if key {
		flags = 0x80
	}
	return element(matroska.IDSimpleBlock, append([]byte{0x80 | track, byte(rel >> 8), byte(rel), flags}, bytes.Repeat([]byte{track}, size)...)...)
}

// film is some clusters of one second: a picture each 40 ms, a key each 500 ms, and sound.
func film(from, clusters int) (b []byte) {
	for i := range clusters {
		b = append(b, cluster(from+1000*i)...)
		for ms := 0; ms < 1000; ms += 40 {
			b = append(b, block(1, ms, ms%500 == 0, 100)...)
			b = append(b, block(2, ms, true, 20)...)
		}
	}
	return b
}

// shown is what a player makes of a stream: times of blocks in ms, and their bytes.
type shown struct {
	ms    int
	track byte
	bytes string
}

// watch reads a header and packets as a player does: by levels, with clusters that have
// no size.
func watch(t testing.TB, b []byte) (all []shown) {
	t.Helper()
	base, inCluster := uint64(0), false
	for len(b) > 0 {
		e, need, err := matroska.ParseElement(b)
		sdktest.Must(t, err)
		if e.ID == matroska.IDSegment || e.ID == matroska.IDCluster {
			if !e.Unknown {
				t.Fatalf("element %x has a size", e.ID)
			}
			inCluster = inCluster || e.ID == matroska.IDCluster
			b = b[e.Head:]
			continue
		}
		e, body, rest, ok := matroska.Next(b)
		if !ok || need > 0 {
			t.Fatalf("%d bytes left that are no element", len(b))
		}
		b = rest
		var k matroska.Block
		switch e.ID {
		case matroska.IDTimestamp:
			base, _ = matroska.Unsigned(body)
			continue
		case matroska.IDSimpleBlock:
			k, err = matroska.ParseSimpleBlock(body)
		case matroska.IDBlockGroup:
			k, err = matroska.ParseGroup(body)
		case matroska.IDEBML, matroska.IDInfo, matroska.IDTracks:
			if inCluster {
				t.Fatal("a header in the media")
			}
			continue
		default:
			t.Fatalf("element %x", e.ID)
		}
		sdktest.Must(t, err)
		if !inCluster {
			t.Fatal("a block without a cluster")
		}
		all = append(all, shown{int(base) + int(k.Time), byte(k.Track), string(body)})
	}
	return all
}

// all is the stream of who began at packet i.
func (r *rig) from(i int) []byte {
	b := bytes.Clone(r.Headers[len(r.Headers)-1])
	for _, p := range r.Packets[i:] {
		b = append(b, p.Payload...)
	}
	return b
}

// sent is what the encoder's own stream shows, by this test's own reading.
func sent(t testing.TB, b []byte) (all []shown) {
	t.Helper()
	base := uint64(0)
	for len(b) > 0 {
		e, _, err := matroska.ParseElement(b)
		sdktest.Must(t, err)
		if e.ID == matroska.IDSegment || e.ID == matroska.IDCluster {
			b = b[e.Head:]
			continue
		}
		e, body, rest, ok := matroska.Next(b)
		if !ok {
			t.Fatal("the sample is cut")
		}
		b = rest
		switch e.ID {
		case matroska.IDTimestamp:
			base, _ = matroska.Unsigned(body)
		case matroska.IDSimpleBlock:
			k, err := matroska.ParseSimpleBlock(body)
			sdktest.Must(t, err)
			all = append(all, shown{int(base) + int(k.Time), byte(k.Track), string(body)})
		case matroska.IDBlockGroup:
			k, err := matroska.ParseGroup(body)
			sdktest.Must(t, err)
			all = append(all, shown{int(base) + int(k.Time), byte(k.Track), string(body)})
		}
	}
	return all
}

func equal(a, b []shown, shift int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ms != b[i].ms+shift || a[i].track != b[i].track || a[i].bytes != b[i].bytes {
			return false
		}
	}
	return true
}

func TestBlocksAreTheEncoders(t *testing.T) {
	for _, name := range []string{"vp8-vorbis.webm", "opus.webm", "h264-aac.mkv", "file.webm"} {
		b := sdktest.Read(t, dir+name)
		want := sent(t, b)
		for _, n := range []int{1, 61, 1316, 5000, len(b)} {
			r := start(t)
			r.Renew = n == 1316
			r.Stream(b, n)
			r.End(abi.EndClosed)
			if r.Failed != 0 || len(r.Headers) != 1 {
				t.Fatalf("%s by %d: %d headers; %s", name, n, len(r.Headers), r.Text)
			}
			if got := watch(t, r.from(0)); !equal(got, want, 0) {
				t.Fatalf("%s by %d: %d blocks of %d", name, n, len(got), len(want))
			}
			check(t, name, r)
		}
	}
}

// check looks at times and keys; each key is a place where a player can begin.
func check(t *testing.T, name string, r *rig) {
	t.Helper()
	h, err := matroska.ParseHeader(r.Headers[0])
	sdktest.Must(t, err)
	keys := 0
	for i, p := range r.Packets {
		if i > 0 && p.DTS < r.Packets[i-1].DTS {
			t.Fatalf("%s: packet %d goes back", name, i)
		}
		if p.PTS < 0 || p.PTS > p.DTS {
			t.Fatalf("%s: packet %d: pts %d, dts %d", name, i, p.PTS, p.DTS)
		}
		if p.Flags&abi.PacketKey == 0 {
			continue
		}
		keys++
		began := watch(t, r.from(i))
		if h.Video != 0 && uint64(began[0].track) != h.Video {
			t.Errorf("%s: packet %d begins with track %d", name, i, began[0].track)
		}
		if began[0].ms*1_000_000 != int(p.PTS) {
			t.Errorf("%s: packet %d stands at %d ns, in it %d ms", name, i, p.PTS, began[0].ms)
		}
	}
	if keys < 2 || h.Video != 0 && keys == len(r.Packets) {
		t.Errorf("%s: %d of %d packets are keys", name, keys, len(r.Packets))
	}
}

func TestHeaderIsFitForBroadcast(t *testing.T) {
	r := start(t)
	r.Data(sdktest.Read(t, dir+"file.webm"), 0) // which has a duration, an index and tags
	b := r.Headers[0]
	if bytes.Contains(b, []byte{0x44, 0x89, 0x88}) || !bytes.Contains(b, []byte("\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF")) {
		t.Errorf("header %x", b[:min(len(b), 200)])
	}
}

// TestLongClusters: who joins in the middle of a long cluster begins at its last key
// picture, and not at its beginning or behind its end.
func TestLongClusters(t *testing.T) {
	b := document(track(1), track(2))
	b = append(b, cluster(0)...)
	for ms := 0; ms < 20_000; ms += 40 {
		b = append(b, block(1, ms, ms%2000 == 0, 10)...)
	}
	r := start(t)
	r.Stream(b, 999)
	keys := 0
	for i, p := range r.Packets {
		if p.Flags&abi.PacketKey != 0 {
			if p.PTS != int64(keys)*2*second || watch(t, r.from(i))[0].ms != 2000*keys {
				t.Errorf("key %d at %d", keys, p.PTS)
			}
			keys++
		}
	}
	if keys != 10 {
		t.Errorf("%d keys", keys)
	}
}

func TestSoundAlone(t *testing.T) {
	b := append(document(track(2)), cluster(0)...)
	for ms := 0; ms < 20_000; ms += 20 {
		b = append(b, block(2, ms, true, 10)...)
	}
	r := start(t)
	r.Data(b, 0)
	keys := 0
	for _, p := range r.Packets {
		if p.Flags&abi.PacketKey != 0 {
			keys++
		}
	}
	if keys != 40 { // one each half a second
		t.Errorf("%d keys", keys)
	}
}

// TestNoKeys: an encoder that renews its pictures bit by bit marks one in all.
func TestNoKeys(t *testing.T) {
	b := document(track(1))
	for s := range 100 {
		b = append(b, cluster(1000*s)...)
		b = append(b, block(1, 0, s == 0, 10)...)
	}
	r := start(t)
	r.Data(b, 0)
	keys := 0
	for _, p := range r.Packets {
		if p.Flags&abi.PacketKey != 0 {
			keys++
		}
	}
	if keys != 4 {
		t.Errorf("%d keys in 100 s", keys)
	}
}

// TestNoPictures: players are let in even where they were announced.
func TestNoPictures(t *testing.T) {
	b := document(track(1), track(2))
	for s := range 100 {
		b = append(b, cluster(1000*s)...)
		b = append(b, block(2, 0, true, 10)...)
	}
	r := start(t)
	r.Data(b, 0)
	keys := 0
	for i, p := range r.Packets {
		if p.Flags&abi.PacketKey != 0 {
			keys++
			watch(t, r.from(i))
		}
	}
	if keys != 3 {
		t.Errorf("%d keys in 100 s", keys)
	}
}

func TestReturningSource(t *testing.T) {
	b := append(document(track(1), track(2)), film(0, 3)...)
	first := start(t)
	first.Data(b, 0)
	const next = 61_234_567_891
	r := newRig(t)
	r.Renew = true
	r.Send(&abi.Published{Point: []byte("live"), NextTime: next, Header: first.Headers[0], SourceGeneration: 2})
	r.Stream(b, 5000)
	if len(r.Headers) != 1 || !bytes.Equal(r.Headers[0], first.Headers[0]) {
		t.Fatal("a compatible header was replaced")
	}
	if len(r.Packets) != len(first.Packets) || r.Packets[0].Flags&abi.PacketDiscontinuity == 0 || r.Packets[1].Flags&abi.PacketDiscontinuity != 0 {
		t.Fatalf("%d packets; first flags %v", len(r.Packets), r.Packets[0].Flags)
	}
	if !equal(watch(t, r.from(0)), sent(t, b), 61_235) || r.Packets[0].DTS != 61_235_000_000 {
		t.Errorf("goes on at %d", r.Packets[0].DTS)
	}
}

// TestReturnBeforeItsCluster: a cluster's first block may stand before it in time.
func TestReturnBeforeItsCluster(t *testing.T) {
	const next = 60 * second
	r := start(t)
	r.Send(&abi.Published{NextTime: next, SourceGeneration: 2})
	r.Data(join(document(track(1)), cluster(1000), block(1, -200, true, 9), block(1, -160, false, 9)), 0)
	if len(r.Packets) != 2 || r.Packets[0].PTS != next || r.Packets[0].DTS != next || watch(t, r.from(0))[0].ms != 60_000 {
		t.Errorf("%d packets, the first %+v; %s", len(r.Packets), r.Packets[0].Packet, r.Text)
	}
}

func TestReturningSourceWithAnotherHeader(t *testing.T) {
	first := start(t)
	first.Data(append(document(track(1), track(2)), film(0, 1)...), 0)
	r := newRig(t)
	r.Send(&abi.Published{NextTime: 5e9, Header: first.Headers[0], SourceGeneration: 2})
	r.Data(append(document(track(1)), film(0, 1)...), 0)
	if len(r.Headers) != 1 || bytes.Equal(r.Headers[0], first.Headers[0]) {
		t.Fatal("the new header is missing")
	}
	if p := r.Packets[0]; p.Flags&abi.PacketDiscontinuity == 0 || p.DTS != 5e9 {
		t.Errorf("first packet %+v", p.Packet)
	}
}

// TestLoopAndRestart: a file that begins again, and an encoder that does so on the same
// connection, go on behind what was.
func TestLoopAndRestart(t *testing.T) {
	b := append(document(track(1), track(2)), film(0, 2)...)
	r := start(t)
	r.Renew = true
	r.Stream(b, 777)
	r.End(abi.EndLoop)
	r.Stream(b, 777)
	r.Stream(b, 777)
	if r.Failed != 0 || len(r.Headers) != 1 || len(r.Packets) != 300 {
		t.Fatalf("%d headers, %d packets; %s", len(r.Headers), len(r.Packets), r.Text)
	}
	for i, p := range r.Packets[1:] {
		if d := p.DTS - r.Packets[i].DTS; d < 0 || d > 100e6 {
			t.Fatalf("packet %d comes after %d ns", i+1, d)
		}
	}
	if all := watch(t, r.from(0)); all[len(all)-1].ms < 5900 {
		t.Errorf("ends at %d ms", all[len(all)-1].ms)
	}
	r.Stream(append(document(track(1)), film(0, 1)...), 777)
	if len(r.Headers) != 2 {
		t.Error("another header on the same connection is missing")
	}
}

func TestTimes(t *testing.T) {
	day := 86_400_000
	r := start(t)
	r.Data(join(document(track(1), track(2)), film(day, 1), film(2*day, 1), film(0, 1)), 0)
	if r.Packets[0].DTS != 0 {
		t.Errorf("begins at %d", r.Packets[0].DTS)
	}
	marks := 0
	for i, p := range r.Packets[1:] {
		if d := p.DTS - r.Packets[i].DTS; d < 0 || d > 100e6 {
			t.Fatalf("packet %d comes after %d ns", i+1, d)
		}
		if p.Flags&abi.PacketDiscontinuity != 0 {
			marks++
		}
	}
	if marks != 2 || len(watch(t, r.from(0))) != 150 {
		t.Errorf("%d discontinuities", marks)
	}
}

// TestLongBlocks: pictures larger than what one DATA brings are packets of their own, in
// one piece, whatever input they come in.
func TestLongBlocks(t *testing.T) {
	b := append(document(track(1)), cluster(0)...)
	b = append(b, block(1, 0, true, 300_000)...)
	b = append(b, block(1, 40, false, 50)...)
	b = append(b, element(matroska.IDBlockGroup, element(matroska.IDBlock, append([]byte{0x81, 0, 80, 0}, make([]byte, 200_000)...)...)...)...)
	b = append(b, block(1, 120, false, 90_000)...)
	b = append(b, block(1, 160, true, 3_000_000)...)
	b = append(b, block(1, 200, false, 50)...)
	want := sent(t, b)
	for _, n := range []int{1000, 40_000, 98_304, len(b)} {
		r := start(t)
		r.Renew = n == 40_000
		r.Stream(b, n)
		if r.Failed != 0 || !equal(watch(t, r.from(0)), want, 0) || len(r.Packets) != len(want) {
			t.Fatalf("by %d: %d packets of %d; %s", n, len(r.Packets), len(want), r.Text)
		}
		if r.Held() != r.Taken {
			t.Errorf("by %d: input from %d on is still retained at %d", n, r.Held(), r.Taken)
		}
	}
}

func TestGarbage(t *testing.T) {
	media := cluster(0)
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"noise", []byte("noise and more of it"), "no EBML header stands at the beginning"},
		{"zeros", make([]byte, 100), "no EBML element stands there (byte 0 "},
		{"nothing", nil, "ended before its first cluster (byte 0 "},
		{"header alone", document(track(1)), "ended before its first cluster"},
		{"no tracks", join(document(), media, block(1, 0, true, 1)), "names no track"},
		{"another kind", join(element(matroska.IDEBML, element(matroska.IDDocType, 'x')...), media), "neither webm nor matroska"},
		{"long header", join(document(track(1)), element(matroska.IDTracks, make([]byte, maxHeader)...)), "more than 28 KiB"},
		{"many headers", join(document(track(1)), bytes.Repeat(element(matroska.IDTracks, make([]byte, 10_000)...), 3)), "more than 28 KiB"},
		{"info without a size", join(document(track(1)), []byte("\x15\x49\xA9\x66\xFF")), "must say its size"},
		{"damaged info", join(document(track(1)), element(matroska.IDInfo, 0)), "Info is damaged"},
		{"block before the cluster", join(document(track(1)), block(1, 0, true, 1)), "before its cluster's Timestamp"},
		{"block before the time", join(document(track(1)), media[:5], block(1, 0, true, 1)), "before its cluster's Timestamp"},
		{"time before the cluster", join(document(track(1)), media[5:]), "where none can"},
		{"endless time", join(document(track(1)), media[:5], element(matroska.IDTimestamp, bytes.Repeat([]byte{0xFF}, 8)...)), "too large"},
		{"long time", join(document(track(1)), media[:5], element(matroska.IDTimestamp, make([]byte, 9)...)), "where none can"},
		{"damaged block", join(document(track(1)), media, element(matroska.IDSimpleBlock, 0x80, 0, 0, 0)), "a block is damaged"},
		{"huge block", join(document(track(1)), media, []byte{0xA3, 0x10, 0x40, 0, 0}), "more than 4000 KiB"},
		{"noise in the media", join(document(track(1)), media, block(1, 0, true, 1), []byte{0}), "no EBML element stands there"},
	} {
		r := start(t)
		r.Data(c.in, abi.DataLast)
		if r.Failed == 0 {
			r.End(abi.EndClosed)
		}
		if r.Failed != abi.EPROTO || !strings.Contains(r.Text, c.want) {
			t.Errorf("%s: %v %q", c.name, r.Failed, r.Text)
		}
	}
}

// TestOnlyFilesNeedIt: what stands between clusters is left out.
func TestOnlyFilesNeedIt(t *testing.T) {
	between := join(element(0x1C53BB6B, make([]byte, 200_000)...), element(0x1254C367, 1, 2, 3), element(0x1654AE6B, 9), element(matroska.IDPosition, 1), element(matroska.IDPrevSize, 1))
	r := start(t)
	r.Stream(join(document(track(1), track(2)), film(0, 1), between, film(1000, 1)), 1000)
	if r.Failed != 0 || len(r.Headers) != 1 || len(watch(t, r.from(0))) != 100 {
		t.Errorf("%d headers, %d packets; %s", len(r.Headers), len(r.Packets), r.Text)
	}
}

func FuzzStream(f *testing.F) {
	b := sdktest.Read(f, dir+"vp8-vorbis.webm")
	f.Add(b[:min(len(b), 5000)], uint16(777), int64(0))
	f.Add(append(document(track(1), track(2)), film(0, 1)...), uint16(100), int64(7e9))
	f.Add(join(document(track(2)), cluster(5), block(2, 0, true, 9), document(track(2)), cluster(0), block(2, 1, true, 9)), uint16(1), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, n uint16, next int64) {
		r := newRig(t)
		r.Renew = n&1 != 0
		next = max(next%1e15, 0)
		r.Send(&abi.Published{NextTime: next})
		r.Stream(b, max(int(n), 1+len(b)/8))
		if r.Failed == 0 {
			r.End(abi.EndLoop)
		}
		if r.Failed == 0 {
			r.Data(b, 0)
		}
		last := next
		for i, p := range r.Packets {
			if p.DTS < last {
				t.Fatalf("packet %d at %d after %d", i, p.DTS, last)
			}
			last = p.DTS
			if p.Flags&abi.PacketKey != 0 {
				if e, _, _ := matroska.ParseElement(p.Payload); e.ID != matroska.IDCluster {
					t.Fatalf("packet %d is a key and begins with %x", i, e.ID)
				}
			}
		}
	})
}
