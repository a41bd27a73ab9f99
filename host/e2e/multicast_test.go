//go:build linux

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/e2e/netns"
	"github.com/weir-media/weir/host/hosttest"
)

// sendingYAML sends a point to a group, and to one receiver, over a wire to another namespace.
const sendingYAML = `
listeners:
  web: {address: "127.0.0.1:8080"}
plugins:
  push:
    module: ./push.wasm
    listeners: [web]
    grant: {publish: ["*"]}
  mpegts:
    module: ./mpegts.wasm
points:
  live:
    source: push
    grace: 20s
    multicast:
      - {group: "239.192.7.7:26000", interface: s0, ttl: 7}
      - {group: "10.77.0.2:26001"}
`

const (
	group    = "239.192.7.7:26000"
	groupURL = "udp://@" + group
	oneURL   = "udp://@10.77.0.2:26001"
)

// wired is a weir in one namespace and players in another.
type wired struct {
	*alone
	there *netns.Space
}

func newWired(t *testing.T) *wired {
	t.Helper()
	return newWiredAs(t, sendingYAML)
}

func newWiredAs(t *testing.T, config string) *wired {
	t.Helper()
	here, there := netns.New(t), netns.New(t)
	netns.Wire(here, "s0", "10.77.0.1/24", there, "r0", "10.77.0.2/24")
	return &wired{newAlone(t, here, config).serve(), there}
}

// encode has ffmpeg feed the point until the test ends it.
func (w *wired) encode() *process {
	w.t.Helper()
	return w.encodeAs("live", h264, ts)
}

func (w *wired) encodeAs(point, codecs, format string) *process {
	w.t.Helper()
	ffmpeg.need(w.t)
	words := fields([]string{picture, codecs, format, "http://127.0.0.1:8080/" + point})
	c := startCommand(w.t, w.space.Command(ffmpeg.name, words...))
	w.awaitPoint(point, "live")
	return c
}

// start runs a player in the namespace at the other end.
func (w *wired) start(p program, arguments ...string) *process {
	w.t.Helper()
	p.need(w.t)
	return startCommand(w.t, w.there.Command(p.name, fields(arguments)...))
}

// fares tells how a destination fares.
func (w *wired) fares(to string) (m hosttest.Multicast) {
	w.t.Helper()
	for _, m := range w.status().Points[0].Multicast {
		if m.To == to {
			return m
		}
	}
	w.t.Fatalf("status does not know %s", to)
	return m
}

// TestMulticastPlayers: real players show what comes by a group, and by datagrams to one address.
func TestMulticastPlayers(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	w.encode()
	t.Run("ffmpeg group", func(t *testing.T) { w.ffmpegShows(t, groupURL) })
	t.Run("ffmpeg one", func(t *testing.T) { w.ffmpegShows(t, oneURL) })
	t.Run("vlc", func(t *testing.T) { w.vlcShows(t, groupURL) })
	t.Run("gstreamer", func(t *testing.T) {
		gst.need(t)
		words := "-v udpsrc address=239.192.7.7 port=26000 ! tsdemux ! h264parse ! avdec_h264 ! fakesink silent=false"
		c := startCommand(t, w.there.Command(gst.name, strings.Fields(words)...))
		shown := 0
		hosttest.Eventually(t, "GStreamer has shown pictures", func() bool {
			shown = strings.Count(c.out.String(), "last-message = chain ")
			return shown >= enough || c.ended()
		})
		if shown < enough {
			t.Errorf("GStreamer ended with %v after %d pictures, %d expected", c.err, shown, enough)
		}
	})
	t.Run("loopback", func(t *testing.T) { // on the sender's own computer
		ffmpeg.need(t)
		words := fields([]string{progress, "-i", groupURL, "-vf setpts=PTS-STARTPTS -an -t 3 -f null -"})
		c := startCommand(t, w.space.Command(ffmpeg.name, words...)).wait()
		if n := c.frames(); n < enough {
			t.Errorf("%d frames decoded, %d expected", n, enough)
		}
	})
}

func (w *wired) ffmpegShows(t *testing.T, url string) {
	t.Helper()
	ffmpeg.need(t)
	words := fields([]string{progress, "-i", url, "-vf setpts=PTS-STARTPTS -an -t 3 -f null -"})
	c := startCommand(t, w.there.Command(ffmpeg.name, words...)).wait()
	if n := c.frames(); n < enough {
		t.Errorf("%d frames decoded in 3 s of stream, %d expected", n, enough)
	}
}

// TestMulticastGoesOn: a receiver that is stopped harms no other; a source that returns is sent on; who listens to the group misses nothing and
// hears the hops that are configured.
func TestMulticastGoesOn(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	first := w.encode()
	watch := w.watchGroup()
	const one = "10.77.0.2:26001"
	player := w.start(ffmpeg, progress, "-i", oneURL, "-an -f null -")
	player.waitFrames(15)
	player.kill()
	hosttest.Eventually(t, "the one is paused", func() bool { m := w.fares(one); return m.State == "paused" && m.Reason == "connection refused" })
	before := watch.packets()
	hosttest.Eventually(t, "the group goes on", func() bool { return watch.packets() > before+500 })
	player = w.start(ffmpeg, progress, "-i", oneURL, "-an -f null -")
	player.waitFrames(15)
	if m := w.fares(group); m.DroppedDatagrams != 0 || m.Retries != 0 || m.State != "sending" || *m.TTL != 7 {
		t.Errorf("the group: %+v", m)
	}
	watch.stopAndJudge()

	first.kill()
	w.awaitPoint("live", "waiting")
	w.encode()
	player.waitFrames(15)
	after := w.watchGroup()
	hosttest.Eventually(t, "the group has the new source", func() bool { return after.packets() > 500 })
	after.stopAndJudge()
}

// groupWatch reads a group and judges what comes.
type groupWatch struct {
	t    *testing.T
	conn *net.UDPConn
	done chan struct{}
	seen chan int // one place: how many packets have come
	bad  []string
}

func (w *wired) watchGroup() *groupWatch {
	w.t.Helper()
	g := &groupWatch{t: w.t, done: make(chan struct{}), seen: make(chan int, 1)}
	var err error
	w.there.Do(func() {
		var on *net.Interface
		if on, err = net.InterfaceByName("r0"); err != nil {
			return
		}
		if g.conn, err = net.ListenMulticastUDP("udp4", on, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(group))); err != nil {
			return
		}
		raw, _ := g.conn.SyscallConn()
		_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTTL, 1) })
	})
	if err != nil {
		w.t.Fatal(err)
	}
	g.seen <- 0
	go g.read()
	w.t.Cleanup(func() {
		g.conn.Close()
		<-g.done
	})
	return g
}

func (g *groupWatch) packets() int {
	n := <-g.seen
	g.seen <- n
	return n
}

// read checks each packet's continuity (ISO/IEC 13818-1 2.4.3.3), and each datagram's size and hops.
func (g *groupWatch) read() {
	defer close(g.done)
	b, control := make([]byte, 1<<16), make([]byte, 128)
	counters := map[int]byte{}
	for {
		n, c, _, _, err := g.conn.ReadMsgUDP(b, control)
		if err != nil {
			return
		}
		if n%188 != 0 || n > 1316 {
			g.bad = append(g.bad, fmt.Sprintf("a datagram of %d bytes", n))
		}
		if ttl := hops(control[:c]); ttl != 7 {
			g.bad = append(g.bad, fmt.Sprintf("a datagram with %d hops", ttl))
		}
		for p := b[:n]; len(p) >= 188; p = p[188:] {
			pid, counter := int(p[1]&0x1F)<<8|int(p[2]), p[3]&0xF
			if p[3]&0x10 == 0 || pid == 0x1FFF {
				continue
			}
			if last, ok := counters[pid]; ok && counter != (last+1)&0xF {
				g.bad = append(g.bad, fmt.Sprintf("packet %d of stream %d follows %d", counter, pid, last))
			}
			counters[pid] = counter
		}
		g.seen <- <-g.seen + n/188
	}
}

func hops(control []byte) int {
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(all) == 0 || all[0].Header.Type != unix.IP_TTL || len(all[0].Data) == 0 {
		return -1
	}
	return int(all[0].Data[0])
}

func (g *groupWatch) stopAndJudge() {
	g.t.Helper()
	g.conn.Close()
	<-g.done
	for _, what := range g.bad[:min(len(g.bad), 5)] {
		g.t.Error(what)
	}
}
