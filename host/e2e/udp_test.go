package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// datagrams is a weir that takes transport streams in datagrams. The first verb stands for
// points.
const datagrams = `
listeners:
  web: {address: "127.0.0.1:0"}
  in: {protocol: udp, address: "127.0.0.1:0"}
plugins:
  udp: {module: "builtin:udp", listeners: [in], grant: {publish: ["*"], group: ["239.192.7.0/24:*"], listen: ["udp:127.0.0.1:*"]}, config: {points: {"*": live}}}
  mpegts: {module: "builtin:mpegts"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
points:
  live: {source: push, grace: 20s}
`

const (
	bareTS = "-f mpegts udp://%s?pkt_size=1316"
	inRTP  = "-f rtp_mpegts rtp://%s?pkt_size=1328" // 12 bytes of RTP before seven packets
)

func serveDatagrams(t *testing.T, points string) server {
	t.Helper()
	return server{hosttest.Start(t, datagrams+points)}
}

// stream starts an ffmpeg that sends datagrams, and waits until they feed the point.
func (s server) stream(t *testing.T, point, to string) *process {
	t.Helper()
	sources := s.Point(point).Sources
	c := ffmpeg.start(t, picture, h264, to)
	s.Wait("point "+point+" is live", func() bool {
		if c.ended() {
			t.Fatalf("%s: ended with %v\n%s", c.cmd, c.err, c.log.String())
		}
		p := s.Point(point)
		return p.State == "live" && p.Sources > sources && len(p.Renditions) > 0
	})
	return c
}

// TestDatagramSenders: a real encoder's transport stream over UDP and over RTP is played
// by HTTP.
func TestDatagramSenders(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]string{"bare": bareTS, "rtp": inRTP, "uneven": "-f mpegts udp://%s?pkt_size=1000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveDatagrams(t, "")
			s.stream(t, "live", fmt.Sprintf(how, s.Addr("in")))
			s.WaitMedia("live", time.Second)
			ffmpegPlays(t, s.http("/live.ts"))
			i := slices.IndexFunc(s.Sessions("live"), func(x hosttest.Session) bool { return x.Plugin == "udp" })
			if i < 0 {
				t.Fatalf("no session of the sender: %+v", s.Sessions(""))
			}
			if x := s.Sessions("live")[i]; x.Role != "source" || x.BytesIn == 0 || !strings.HasPrefix(x.Peer, "127.0.0.1:") {
				t.Errorf("%+v", x)
			}
		})
	}
}

// TestDatagramSenderReturns: while a point has a sender, another is turned away, which is
// said once; when the first is gone, the second goes on for the same viewers.
func TestDatagramSenderReturns(t *testing.T) {
	t.Parallel()
	s := serveDatagrams(t, "")
	to := fmt.Sprintf(bareTS, s.Addr("in"))
	first := s.stream(t, "live", to)
	s.WaitMedia("live", 2*time.Second)
	player := ffmpeg.start(t, progress, "-i", s.http("/live.ts"), "-f null -")
	player.waitFrames(enough / 3) // a second
	before := s.viewers()

	ffmpeg.start(t, picture, h264, to)
	const busy = "it is taken when the point is free"
	s.Wait("the second sender is turned away", func() bool { return strings.Contains(s.Log(), busy) })
	player.waitFrames(enough)
	first.kill()
	s.waitSources("live", 2)
	player.waitFrames(enough)
	if after := s.viewers(); len(after) != 1 || !slices.Equal(after, before) {
		t.Errorf("viewers before the gap: %v; after it: %v", before, after)
	}
	if n := strings.Count(s.Log(), busy); n != 1 {
		t.Errorf("the second sender was told of %d times", n)
	}
}

// waitSources waits until a point has had n sources and is live.
func (s server) waitSources(point string, n uint64) {
	s.Wait(fmt.Sprintf("point %s has had %d sources", point, n), func() bool {
		p := s.Point(point)
		return p.Sources >= n && p.State == "live"
	})
}

// TestDatagramSources: points whose source is a multicast group, or an address of this
// computer's own. Groups are sent to and received on the loopback only.
func TestDatagramSources(t *testing.T) {
	t.Parallel()
	port := freeUDP(t)
	for _, c := range []struct{ name, url, to string }{
		{"group", "udp://@239.192.7.7:%d?interface=lo", "-f mpegts udp://239.192.7.7:%d?localaddr=127.0.0.1&pkt_size=1316"},
		{"group-rtp", "rtp://@239.192.7.8:%d?interface=lo", "-f rtp_mpegts rtp://239.192.7.8:%d?localaddr=127.0.0.1&pkt_size=1328"},
		{"sender", "udp://127.0.0.1@239.192.7.9:%d?interface=lo", "-f mpegts udp://239.192.7.9:%d?localaddr=127.0.0.1&pkt_size=1316"},
		{"unicast", "udp://@127.0.0.1:%d", "-f mpegts udp://127.0.0.1:%d?pkt_size=1316"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serveDatagrams(t, fmt.Sprintf("  tv: {source: {url: %q}, grace: 20s}\n", fmt.Sprintf(c.url, port)))
			to := fmt.Sprintf(c.to, port)
			first := s.stream(t, "tv", to)
			s.WaitMedia("tv", time.Second)
			ffmpegPlays(t, s.http("/tv.ts"))

			player := ffmpeg.start(t, progress, "-i", s.http("/tv.ts"), "-f null -")
			player.waitFrames(1)
			first.kill()
			ffmpeg.start(t, picture, h264, to) // to the same group, from another port
			player.waitFrames(enough)
		})
	}
}

// TestDatagramSourceRefused: what is not granted is said in the point's status.
func TestDatagramSourceRefused(t *testing.T) {
	t.Parallel()
	s := serveDatagrams(t, `  tv: {source: {url: "udp://@239.1.1.1:5000?interface=lo"}}
  cable: {source: {url: "udp://@239.192.7.7:5000?interface=nolink0"}}
`)
	for point, want := range map[string]string{"tv": `group 239.1.1.1:5000 is not granted`, "cable": `nolink0`} {
		if p := s.WaitPoint(point, "failed"); !strings.Contains(p.Reason, want) {
			t.Errorf("%s: %q", point, p.Reason)
		}
	}
}

// freeUDP is a port that nothing on the loopback listens at.
func freeUDP(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}
