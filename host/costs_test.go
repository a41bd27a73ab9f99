package host_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

const costsYAML = `
listeners: {web: {address: "127.0.0.1:0"}}
points:
  live: {source: push, grace: 10ms}
  fast: {source: push, grace: 10ms, buffer: 30s, max_lag: 10500ms}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
  wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}
`

// The requests of a player of each plugin.
const (
	byHTTP = "GET /%s.asf HTTP/1.0\r\nHost: weir\r\n\r\n"
	byWMSP = "GET /%s HTTP/1.0\r\nHost: weir\r\nUser-Agent: NSPlayer/7.10.0.3059\r\nPragma: no-cache,rate=1.000000,request-context=2\r\nPragma: xPlayStrm=1\r\n\r\n"
)

// TestCostsAddUp: what the metrics tell of a point is what its viewers have received on their sockets, byte by byte, by plugin, and stays when the
// renditions are gone, and their memory, and the next encoder has come.
func TestCostsAddUp(t *testing.T) {
	s := hosttest.Start(t, costsYAML)
	want := map[string]uint64{}
	var before samples
	for round := range 2 {
		e := encode(t, s, "live")
		counters := map[string][]*counter{"http": {tally(t, s, byHTTP, "live"), tally(t, s, byHTTP, "live")}, "wmsp": {tally(t, s, byWMSP, "live")}}
		s.WaitViewers("live", 3)
		e.send(t, 20, time.Millisecond)
		e.end(t)
		for plugin, all := range counters {
			for _, c := range all {
				want[plugin] += c.total(t)
			}
		}
		s.WaitViewers("live", 0)
		runtime.GC() // what is counted outlives the log
		runtime.GC()
		got := scrape(t, s)
		for plugin, rendition := range map[string]string{"http": "asf", "wmsp": "mmsh"} {
			label := fmt.Sprintf("{plugin=%q,point=\"live\",rendition=%q}", plugin, rendition)
			viewers := uint64(len(counters[plugin]) * (round + 1))
			got.is(t, "weir_point_bytes_total"+label, want[plugin])
			got.is(t, "weir_point_attached_total"+label, viewers)
			if left := got.sum("weir_point_left_total{", fmt.Sprintf("plugin=%q,", plugin)); left != viewers {
				t.Errorf("%s: %d viewers have left, not %d", label, left, viewers)
			}
			if got["weir_point_sends_total"+label] < float64(viewers) || got["weir_point_packets_total"+label] == 0 || got["weir_point_deliver_seconds_total"+label] == 0 {
				t.Errorf("%s: %v sends, %v packets, %v s", label, got["weir_point_sends_total"+label], got["weir_point_packets_total"+label], got["weir_point_deliver_seconds_total"+label])
			}
		}
		got.is(t, "weir_deliver_bytes_total", want["http"]+want["wmsp"])
		got.grew(t, before)
		before = got
		t.Logf("round %d: %d bytes by http, %d by wmsp", round, want["http"], want["wmsp"])
	}
	judgeStatus(t, s, want)
}

// judgeStatus compares the status, where the same is told.
func judgeStatus(t *testing.T, s *hosttest.Server, want map[string]uint64) {
	t.Helper()
	p := s.Point("live")
	if d := p.Delivery; d.Bytes != want["http"]+want["wmsp"] || d.Attached != 6 || d.BytesPerSend != float64(d.Bytes)/float64(d.Sends) || len(p.Parts) != 2 || d.Recent == nil {
		t.Errorf("point: %+v, %d parts", d, len(p.Parts))
	}
	for _, x := range p.Parts {
		if x.Bytes != want[x.Plugin] {
			t.Errorf("%s by %s: %d bytes, not %d", x.Rendition, x.Plugin, x.Bytes, want[x.Plugin])
		}
	}
	for _, name := range []string{"http", "wmsp"} {
		if d := s.Plugin(name).Delivered; d == nil || d.Bytes != want[name] {
			t.Errorf("plugin %s: %+v, not %d bytes", name, d, want[name])
		}
	}
	for _, name := range []string{"push", "asf", "wmsp"} {
		x := s.Plugin(name)
		if x.CPUOf != "calls" || x.CPUSeconds <= 0 || x.CPUSeconds > x.BusySeconds || x.FrameBytesIn == 0 || x.FrameBytesOut == 0 {
			t.Errorf("plugin %s: %+v, busy %v s", name, x.Spending, x.BusySeconds)
		}
	}
}

// TestDroppedBytesHaveReasons: one viewer stops reading, and goes on when it is too late: it is left out of packets. Another stops and leaves. What
// both did not get is counted with its reason.
func TestDroppedBytesHaveReasons(t *testing.T) {
	s := hosttest.Start(t, costsYAML)
	e := encode(t, s, "fast")
	slow, gone := dialNarrow(t, s, byWMSP, "fast"), dialNarrow(t, s, byWMSP, "fast")
	s.WaitViewers("fast", 2)
	half := packets(e.rest, len(e.packet)) / 2
	e.film(t, 0, half) // 10 s of media: more than the sockets take, less than max_lag
	s.Wait("viewers whose sockets are full", func() bool { return s.Point("fast").Delivery.Waiting == 2 })
	gone.Close()
	s.WaitViewers("fast", 1)
	e.film(t, half, 2*half)
	s.Wait("more media than max_lag allows", func() bool {
		for _, r := range s.Point("fast").Renditions {
			if r.Name == "mmsh" && r.NewestSeconds > 19 {
				return true
			}
		}
		return false
	})
	c := count(slow)
	name := func(metric, reason string) string {
		return fmt.Sprintf(`weir_point_%s{plugin="wmsp",point="fast",reason=%q,rendition="mmsh"}`, metric, reason)
	}
	s.Wait("packets that are left out", func() bool { return scrape(t, s)[name("dropped_packets_total", "lag")] > 0 })
	e.end(t)
	c.total(t)
	s.WaitViewers("fast", 0)
	got := scrape(t, s)
	lag, left := got[name("dropped_bytes_total", "lag")], got[name("dropped_bytes_total", "left_peer_closed")]
	if lag == 0 || left == 0 || got[name("left_total", "peer_closed")] != 1 {
		t.Errorf("%v bytes were left out, %v waited for who left", lag, left)
	}
	if a, b := got[`weir_deliver_dropped_bytes_total{reason="lag"}`], got[`weir_deliver_dropped_bytes_total{reason="left_peer_closed"}`]; a != lag || b != left {
		t.Errorf("in all %v and %v bytes, of the point %v and %v", a, b, lag, left)
	}
	if d := s.Point("fast").Delivery.DroppedBytes; float64(d["lag"]) != lag || float64(d["left_peer_closed"]) != left {
		t.Errorf("status: %v", d)
	}
}

// TestCardinality: no label tells of a viewer, however many there are.
func TestCardinality(t *testing.T) {
	s := hosttest.Start(t, costsYAML)
	e := encode(t, s, "live")
	tally(t, s, byHTTP, "live")
	s.WaitViewers("live", 1)
	one := scrape(t, s)
	for range 20 {
		tally(t, s, byHTTP, "live")
	}
	s.WaitViewers("live", 21)
	many := scrape(t, s)
	for name := range many {
		if _, was := one[name]; !was && strings.HasPrefix(name, "weir_") {
			t.Errorf("%s is there since more viewers are", name)
		}
	}
	e.end(t)
}

// encoder pushes the sample.
type encoder struct {
	conn           net.Conn
	header, packet []byte
	rest           []byte // packets
}

// encode begins to push to a point, and waits until it can be watched.
func encode(t *testing.T, s *hosttest.Server, point string) *encoder {
	t.Helper()
	film := sample.Demo()
	size, _, err := asf.HeaderSize(film)
	if err != nil {
		t.Fatal(err)
	}
	h, err := asf.ParseHeader(film[:size])
	if err != nil {
		t.Fatal(err)
	}
	e := &encoder{header: film[:size], packet: film[size : size+h.PacketSize], rest: film[size:]}
	if e.conn, err = net.Dial("tcp", s.Addr("web")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.conn.Close() })
	if _, err = io.WriteString(e.conn, "POST /"+point+" HTTP/1.1\r\nHost: weir\r\nTransfer-Encoding: chunked\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	e.put(t, e.header)
	e.put(t, e.packet)
	s.WaitPoint(point, "live")
	s.WaitRendition(point, "mmsh")
	return e
}

func (e *encoder) put(t *testing.T, b []byte) {
	t.Helper()
	if _, err := fmt.Fprintf(e.conn, "%x\r\n%s\r\n", len(b), b); err != nil {
		t.Fatal(err)
	}
}

// send pushes so many packets, one after each span.
func (e *encoder) send(t *testing.T, packets int, every time.Duration) {
	t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range packets {
		<-tick.C
		at := (i + 1) * len(e.packet)
		e.put(t, e.rest[at:at+len(e.packet)])
	}
}

// film pushes packets of the sample at once, from one on and before another.
func (e *encoder) film(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		e.put(t, e.rest[i*len(e.packet):(i+1)*len(e.packet)])
	}
}

// packets counts the data packets at the beginning, of so many bytes each.
func packets(b []byte, size int) (n int) {
	for len(b) >= size && isPacket(b) {
		b = b[size:]
		n++
	}
	return n
}

func (e *encoder) end(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(e.conn, "0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, s *hosttest.Server, request, point string) net.Conn {
	t.Helper()
	return dialBy(t, &net.Dialer{}, s, request, point)
}

// dialNarrow is dial with a socket that takes little: the film would fit what the system gives.
func dialNarrow(t *testing.T, s *hosttest.Server, request, point string) net.Conn {
	t.Helper()
	narrow := func(_, _ string, c syscall.RawConn) (err error) { // before it connects, which says how much it takes
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) }), err)
	}
	return dialBy(t, &net.Dialer{Control: narrow}, s, request, point)
}

func dialBy(t *testing.T, d *net.Dialer, s *hosttest.Server, request, point string) net.Conn {
	t.Helper()
	conn, err := d.Dial("tcp", s.Addr("web"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, request, point); err != nil {
		t.Fatal(err)
	}
	return conn
}

// counter reads a socket to its end and counts.
type counter struct {
	bytes atomic.Uint64
	done  chan error
}

func tally(t *testing.T, s *hosttest.Server, request, point string) *counter {
	t.Helper()
	return count(dial(t, s, request, point))
}

func count(conn net.Conn) *counter {
	c := &counter{done: make(chan error, 1)}
	go func() {
		n, err := io.Copy(io.Discard, conn)
		c.bytes.Store(uint64(n))
		c.done <- err
	}()
	return c
}

// total waits for the end of the stream.
func (c *counter) total(t *testing.T) uint64 {
	t.Helper()
	if err := <-c.done; err != nil {
		t.Errorf("a viewer's stream: %v", err)
	}
	return c.bytes.Load()
}

// samples are the values of a scrape, by name with labels.
type samples map[string]float64

var sampleLine = regexp.MustCompile(`(?m)^(\w+(?:\{[^}]*\})?) (\S+)$`)

func scrape(t *testing.T, s *hosttest.Server) samples {
	t.Helper()
	all := samples{}
	for _, m := range sampleLine.FindAllStringSubmatch(ask(t, s, "/metrics"), -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		all[m[1]] = v
	}
	return all
}

func (x samples) is(t *testing.T, name string, want uint64) {
	t.Helper()
	if got, ok := x[name]; !ok || got != float64(want) {
		t.Errorf("%s is %v (%v), not %d", name, got, ok, want)
	}
}

// sum adds up the samples of that beginning that have a label.
func (x samples) sum(begin, label string) (n uint64) {
	for name, v := range x {
		if strings.HasPrefix(name, begin) && strings.Contains(name, label) {
			n += uint64(v)
		}
	}
	return n
}

// grew demands that no count went back.
func (x samples) grew(t *testing.T, before samples) {
	t.Helper()
	for name, was := range before {
		base, _, _ := strings.Cut(name, "{")
		if strings.HasSuffix(base, "_total") || strings.HasSuffix(base, "_bucket") || strings.HasSuffix(base, "_count") {
			if now, is := x[name]; !is || now < was {
				t.Errorf("%s went from %v to %v (%v)", name, was, now, is)
			}
		}
	}
}
