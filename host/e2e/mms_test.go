package e2e

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/weir-media/weir/sdk/asf"
)

func init() {
	plays = append(plays,
		play{"ffmpeg mmst", "live", ffmpeg, func(t *testing.T, s server) { ffmpegPlays(t, s.mmst("/live")) }},
		play{"ffmpeg mmst on a port of its own", "live", ffmpeg, func(t *testing.T, s server) { ffmpegPlays(t, s.ownMMS("mmst", "/live")) }},
		play{"vlc mmst", "live", vlc, func(t *testing.T, s server) { vlcPlays(t, s.mmst("/live")) }},
		play{"vlc mms on a port of its own", "live", vlc, func(t *testing.T, s server) { vlcPlays(t, s.ownMMS("mms", "/live")) }},
		play{"mplayer mms", "live", mplayer, func(t *testing.T, s server) { mplayerPlays(t, s.mms("/live")) }},
		play{"mplayer mmst on a port of its own", "live", mplayer, func(t *testing.T, s server) { mplayerPlays(t, s.ownMMS("mmst", "/live")) }},
	)
}

func (s server) mmst(path string) string { return s.URL("web", "mmst", path) }

// ownMMS is a URL on the listener that serves MMS over TCP alone.
func (s server) ownMMS(scheme, path string) string { return s.URL("mms", scheme, path) }

// studio is an encoder in the test: what it sends is known byte for byte.
type studio struct {
	t       *testing.T
	header  []byte // chunk by chunk, as encoders frame them
	chunks  [][]byte
	packets [][]byte
	pipe    *io.PipeWriter
	done    chan error
}

// goOnAir opens a push of a film that lies in the samples of package asf, without its media.
func (s server) goOnAir(t *testing.T, point, film string) *studio {
	t.Helper()
	b, err := os.ReadFile("../../sdk/asf/testdata/" + film)
	if err != nil {
		t.Fatal(err)
	}
	x := &studio{t: t, done: make(chan error, 1)}
	for len(b) > 0 {
		k, need, err := asf.ParseChunk(b, asf.FramedMMS)
		if err != nil || need > 0 || k.Size > len(b) {
			t.Fatalf("%s: no chunk (%v)", film, err)
		}
		switch k.Kind {
		case asf.ChunkHeader:
			x.header = b[:k.Size]
		case asf.ChunkData:
			x.chunks, x.packets = append(x.chunks, b[:k.Size]), append(x.packets, b[k.Payload:k.Size])
		}
		b = b[k.Size:]
	}
	var body *io.PipeReader
	body, x.pipe = io.Pipe()
	t.Cleanup(func() { x.pipe.Close() })
	go func() {
		resp, err := http.Post(s.http("/"+point), "video/x-ms-asf", body)
		if err == nil {
			resp.Body.Close()
		}
		x.done <- err
	}()
	x.send(x.header)
	return x
}

func (x *studio) send(chunks ...[]byte) {
	x.t.Helper()
	for _, c := range chunks {
		if _, err := x.pipe.Write(c); err != nil {
			x.t.Fatal(err)
		}
	}
}

// leave ends the push and waits for its answer.
func (x *studio) leave() {
	x.t.Helper()
	x.pipe.Close()
	if err := <-x.done; err != nil {
		x.t.Error(err)
	}
}

// exactly asserts that the last packets of an encoder came, byte for byte and none between,
// numbered one after another, and gives how many.
func (x *studio) exactly(got []mmsPacket) int {
	x.t.Helper()
	if len(got) == 0 || len(got) > len(x.packets) {
		x.t.Fatalf("%d packets came of %d", len(got), len(x.packets))
	}
	want := x.packets[len(x.packets)-len(got):]
	for i, p := range got {
		if !bytes.Equal(p.payload, want[i]) {
			x.t.Fatalf("packet %d of %d is not what the encoder sent", i, len(got))
		}
		if p.incarnation != mmsMediaOf || p.flags != byte(p.location) || i > 0 && p.location != got[i-1].location+1 {
			x.t.Errorf("packet %d has LocationId %d, incarnation %d, AFFlags %#x", i, p.location, p.incarnation, p.flags)
		}
	}
	return len(got)
}

// TestMMSExact: what players get over MMS is what the encoder sent, from a key packet on,
// on both ports; at its end they are told, and may go.
func TestMMSExact(t *testing.T) {
	t.Parallel()
	s := serve(t, "\n  live: {source: push, grace: 1s}\n")
	x := s.goOnAir(t, "live", "wmv2.asfstream")
	half := len(x.chunks) / 2
	x.send(x.chunks[:half]...)
	s.WaitRendition("live", "mmst")
	var players []*mmsPlayer
	for _, listener := range []string{"web", "mms"} {
		p := dialMMS(t, s.Addr(listener))
		p.open("live")
		p.start()
		players = append(players, p)
	}
	s.WaitViewers("live", len(players))
	x.send(x.chunks[half:]...)
	x.leave()
	for _, p := range players {
		p.hear(mmsEnd, 0)
		if n := x.exactly(p.packets); n < len(x.packets)-half {
			t.Errorf("%d packets came, %d or more were expected", n, len(x.packets)-half)
		}
		var first asf.Packet
		h, _ := asf.ParseHeader(p.header) // it was looked at before
		if err := asf.ParsePacket(p.packets[0].payload, h.PacketSize, &first); err != nil || !asf.KeyAt(h.Set(asf.Video), &first) {
			t.Errorf("no key frame begins in the first packet (%v)", err)
		}
		want := asf.Broadcast(nil, x.header[asf.ChunkHeadSize:], h.FileID)
		if !bytes.Equal(p.header, want) {
			t.Errorf("the header is not the encoder's for a live stream:\n%x\n%x", p.header, want)
		}
	}
	s.WaitPoint("live", "idle")
}

// TestMMSStops: a player may stop and start again; when the plugin is switched off it is
// told in the protocol's words, and who comes then is closed at once.
func TestMMSStops(t *testing.T) {
	t.Parallel()
	s := serve(t, "\n  live: {source: push}\n")
	x := s.goOnAir(t, "live", "wmv2.asfstream")
	half := len(x.chunks) / 2
	x.send(x.chunks[:half]...)
	s.WaitRendition("live", "mmst")
	p := dialMMS(t, s.Addr("web"))
	p.open("live")
	for range 2 {
		p.start()
		p.say(mmsStop, "", 1, 0x001FFFFF)
		p.hear(mmsEnd, 0)
		p.packets = nil
	}
	p.start()
	x.send(x.chunks[half:]...)
	p.until("the last packet", func() bool {
		n := len(p.packets)
		return n > 0 && bytes.Equal(p.packets[n-1].payload, x.packets[len(x.packets)-1])
	})
	x.exactly(p.packets)
	if err := s.Disable("mms", "night shift"); err != nil {
		t.Fatal(err)
	}
	p.hear(mmsEnd, 0)
	p.closes()
	for _, listener := range []string{"web", "mms"} {
		p := dialMMS(t, s.Addr(listener))
		p.say(mmsConnect, "NSPlayer/7.0.0.1956; Host: h", 0, 0x0004000B, 0x0003001C)
		p.closes()
	}
}

// TestMMSHeaderChanges: an encoder comes back with another film. A player that plays is told,
// has the new header without asking, and starts again.
func TestMMSHeaderChanges(t *testing.T) {
	t.Parallel()
	s := serve(t, "\n  live: {source: push}\n")
	x := s.goOnAir(t, "live", "wmv2.asfstream")
	x.send(x.chunks...)
	s.WaitRendition("live", "mmst")
	p := dialMMS(t, s.Addr("web"))
	p.open("live")
	p.start()
	s.WaitViewers("live", 1)
	x.leave()
	s.WaitPoint("live", "waiting")
	x = s.goOnAir(t, "live", "msmpeg4.asfstream")
	x.send(x.chunks...)
	p.hear(mmsEnd, 1)
	p.packets, p.header = nil, nil
	p.takeHeader(binary.LittleEndian.Uint32(p.hear(mmsChange, 0)[52:]))
	p.choose()
	p.start()
	p.until("the other film", func() bool { return len(p.packets) == len(x.packets) })
}

// TestMMSRefusals: players that ask for what is not there end by themselves, soon.
func TestMMSRefusals(t *testing.T) {
	t.Parallel()
	s := serve(t, "\n  live: {source: push}\n")
	for _, path := range []string{"/nowhere", "/live"} {
		t.Run("ffmpeg "+path, func(t *testing.T) {
			t.Parallel()
			soon(t, ffmpeg.run(t, "-nostdin -i", s.mmst(path), "-f null -").failed())
		})
		t.Run("mplayer "+path, func(t *testing.T) {
			t.Parallel()
			soon(t, mplayer.run(t, "-vo null -ao null -nolirc -noconsolecontrols -frames 1", s.mmst(path)))
		})
	}
}

// TestMMSPlayersEnd: VLC and mplayer end by themselves when the stream does, by its last
// message, mpv by the packet behind it.
func TestMMSPlayersEnd(t *testing.T) {
	t.Parallel()
	for _, p := range []program{vlc, mplayer, mpv} {
		p.need(t)
	}
	s := serve(t, "\n  live: {source: push, grace: 1s}\n")
	x := s.goOnAir(t, "live", "wmv2.asfstream")
	x.send(x.chunks[:len(x.chunks)-1]...)
	s.WaitRendition("live", "mmst")
	players := []*process{
		startCommand(t, vlcCommand(openFolder(t), "--play-and-exit", s.mmst("/live"))),
		mplayer.start(t, "-vo null -ao null -nolirc -noconsolecontrols", s.mms("/live")),
		mpv.start(t, "--no-config --vo=null --ao=null", s.mmst("/live")),
	}
	s.WaitViewers("live", len(players))
	x.send(x.chunks[len(x.chunks)-1])
	x.leave()
	for _, c := range players {
		c.wait().succeeded()
	}
	for _, c := range players[1:] {
		c.says("Exiting... (End of file)")
	}
}
