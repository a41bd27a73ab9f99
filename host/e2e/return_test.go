package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/weir-media/weir/sdk/asf"
)

const graceful = `
  live: {source: push, grace: 8s}
  ts: {source: push, grace: 8s}
`

// attached are viewers of both points by each protocol.
type attached struct {
	players        []*process
	mmsh, raw, mpg *capture
}

func (s server) attach(t *testing.T) (a attached) {
	t.Helper()
	for _, url := range []string{s.mmsh("/live"), s.http("/live"), s.http("/ts")} {
		c := ffmpeg.start(t, progress, "-i", url, "-f null -")
		a.players = append(a.players, c)
	}
	framesOf(t, a.players, enough/3) // a second
	a.mmsh = s.watch(t, "/live", player)
	a.raw = s.watch(t, "/live", browser)
	a.mpg = s.watch(t, "/ts", browser)
	s.WaitViewers("live", 4)
	s.WaitViewers("ts", 2)
	return a
}

// viewers lists the connections that watch.
func (s server) viewers() []string {
	var peers []string
	for _, x := range s.Sessions("") {
		if x.Role == "viewer" {
			peers = append(peers, x.Peer)
		}
	}
	slices.Sort(peers)
	return peers
}

// TestEncoderReturns kills the encoders as a crash would. They come back in time, and
// viewers go on over the connections that they have; they do not come back, and each
// protocol's viewers get the end that it has.
func TestEncoderReturns(t *testing.T) {
	t.Parallel()
	s := serve(t, graceful)
	first := s.push(t, "live", wmv+framed)
	second := s.push(t, "ts", h264+ts)
	s.WaitMedia("live", 2*time.Second)
	s.WaitMedia("ts", 2*time.Second)
	a := s.attach(t)
	before := s.viewers()

	for _, c := range []*process{first, second} {
		c.kill()
	}
	s.WaitPoint("live", "waiting")
	s.WaitPoint("ts", "waiting")
	first = s.push(t, "live", wmv+framed)
	second = s.push(t, "ts", h264+ts)
	framesOf(t, a.players, enough)
	if after := s.viewers(); len(after) != 6 || !slices.Equal(after, before) {
		t.Errorf("viewers before the gap: %v; after it: %v", before, after)
	}

	for _, c := range []*process{first, second} {
		c.kill()
	}
	for _, c := range a.players {
		c.wait().succeeded()
	}
	parseMMSH(t, a.mmsh.ended(t)).endsWith(t, asf.ReasonDone)
	f := readFilm(t, a.raw.ended(t))
	f.check(t)
	if over := (len(a.raw.body.bytes()) - f.header.Size) % f.header.PacketSize; over != 0 {
		t.Errorf("%d bytes behind the last whole packet", over)
	}
	if b := a.mpg.ended(t); len(b) == 0 || len(b)%188 != 0 { // ISO 13818-1 2.4.3.2
		t.Errorf("%d bytes of MPEG-TS are no whole packets", len(b))
	}
	s.WaitPoint("live", "idle")
	s.WaitPoint("ts", "idle")
	s.WaitViewers("live", 0)
}

// TestHeaderChanges: an encoder comes back with pictures of another size. Players of
// the old ones are told that something else follows; new ones play it.
func TestHeaderChanges(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  live: {source: push}
`)
	encoder := s.push(t, "live", wmv+framed)
	s.WaitMedia("live", 2*time.Second)
	client := ffmpeg.start(t, progress, "-i", s.mmsh("/live"), "-f null -")
	client.waitFrames(1)
	mmsh := s.watch(t, "/live", player)
	raw := s.watch(t, "/live", browser)
	s.WaitViewers("live", 3)
	encoder.kill()
	s.WaitPoint("live", "waiting")
	s.push(t, "live", "-s 160x120 "+wmv+framed)

	client.wait().succeeded()
	parseMMSH(t, mmsh.ended(t)).endsWith(t, asf.ReasonNext)
	raw.ended(t)
	s.WaitMedia("live", 4*time.Second)
	ffmpeg.run(t, "-nostdin -hide_banner -i", s.mmsh("/live"), "-t 1 -f null -").succeeded().says("160x120")
	ffmpeg.run(t, "-nostdin -hide_banner -i", s.http("/live"), "-t 1 -f null -").succeeded().says("160x120")
}
