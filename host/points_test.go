package host_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

const pointsYAML = `
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  file: {module: "builtin:file", grant: {publish: ["*"], read: ["builtin/*", "*.asf"]}}
  wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
`

// push has an encoder send the whole sample to a point, and leaves it connected.
func push(t *testing.T, s *hosttest.Server, name string) net.Conn {
	t.Helper()
	encoder, err := net.Dial("tcp", s.Addr("web"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { encoder.Close() })
	fmt.Fprintf(encoder, "POST /%s HTTP/1.1\r\nHost: x\r\nUser-Agent: test encoder\r\n\r\n", name)
	if _, err = encoder.Write(sample.Demo()); err != nil {
		t.Fatal(err)
	}
	s.WaitPoint(name, "live")
	return encoder
}

// asks gives the answer to a GET, of which nothing but the head is read.
func asks(t *testing.T, s *hosttest.Server, path, agent string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("web", "http", path), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", agent)
	if strings.HasPrefix(agent, "NSPlayer") {
		r.Header.Set("Pragma", "xPlayStrm=1, xClientGUID={2200AD50-2C39-46c0-AE0A-2CA76D8C766D}")
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// isRefused asserts that a GET gets this status and these words.
func isRefused(t *testing.T, s *hosttest.Server, path, agent string, status int, words string) {
	t.Helper()
	answer := asks(t, s, path, agent)
	var body []byte
	if answer.StatusCode != http.StatusOK {
		body, _ = io.ReadAll(answer.Body)
	}
	if answer.StatusCode != status || !strings.Contains(string(body), words) {
		t.Errorf("GET %s by %s: %d %s; want %d and %q", path, agent, answer.StatusCode, body, status, words)
	}
}

// TestStopPoint: a point that is stopped tells its encoder and ends its viewers, refuses
// both until it is started, and stays stopped over a change of the configuration.
func TestStopPoint(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, pointsYAML+"points: {live: {source: push}}\n")
	encoder := push(t, s, "live")
	players := []*http.Response{asks(t, s, "/live", "curl"), asks(t, s, "/live", "NSPlayer/9.0")}
	s.WaitViewers("live", 2)
	if err := s.StopPoint("live", "closed until noon"); err != nil {
		t.Fatal(err)
	}
	for _, p := range players {
		if b, err := io.ReadAll(p.Body); err != nil || len(b) == 0 {
			t.Errorf("a viewer of %d bytes ends with %v", len(b), err)
		}
	}
	answer, err := http.ReadResponse(bufio.NewReader(encoder), nil)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("the encoder reads %v, %v; want 503", answer, err)
	}
	if b, _ := io.ReadAll(answer.Body); !strings.Contains(string(b), `point "live" was stopped: closed until noon`) {
		t.Errorf("the encoder reads %q", b)
	}
	stopped := func(why string) {
		t.Helper()
		if p := s.Point("live"); p.State != "stopped" || p.Reason != why || p.Code != "0xC00D145E" || p.Viewers != 0 || p.Source != "" || len(p.Renditions) > 0 {
			t.Errorf("the point is %+v", p)
		}
		isRefused(t, s, "/live", "curl", 503, `the stream "live" is stopped (`+why+`)`)
		isRefused(t, s, "/live", "NSPlayer/9.0", 503, `NS_E_PUBLISHING_POINT_STOPPED (0xC00D145E): publishing point "live" is stopped: `+why)
		again, refused := http.Post(s.URL("web", "http", "/live"), "", strings.NewReader("x"))
		if refused != nil || again.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("another encoder reads %v, %v", again, refused)
		} else {
			again.Body.Close()
		}
	}
	s.WaitViewers("live", 0)
	stopped("closed until noon")
	plan, err := s.Apply(pointsYAML + "points: {live: {source: push, grace: 3s}}\n")
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(plan.Changes); !strings.Contains(text, "it stays stopped (closed until noon); start it with: weir point start live") {
		t.Errorf("the plan says %s", text)
	}
	if err = s.StopPoint("live", "closed until one"); err != nil {
		t.Error(err)
	}
	stopped("closed until one")
	if err = s.StartPoint("live"); err != nil {
		t.Fatal(err)
	}
	push(t, s, "live")
	if p := asks(t, s, "/live", "curl"); p.StatusCode != http.StatusOK {
		t.Errorf("after the start: %v", p.Status)
	}
	for _, err := range []error{s.StopPoint("dead", ""), s.StartPoint("dead")} {
		if err == nil || !strings.Contains(err.Error(), `there is no point "dead"`) {
			t.Errorf("no such point: %v", err)
		}
	}
}

// TestStoppedByConfiguration: a point with enabled: false begins stopped, and starts its
// source when the configuration, or an operator, says so.
func TestStoppedByConfiguration(t *testing.T) {
	t.Parallel()
	film := func(more string) string {
		return pointsYAML + "points: {film: {source: {url: \"file:builtin/demo.asf\"}, grace: 0s" + more + "}}\n"
	}
	s := hosttest.Start(t, film(", enabled: false"))
	if p := s.Point("film"); p.State != "stopped" || !strings.HasPrefix(p.Reason, "enabled: false in ") || p.Sources != 0 {
		t.Errorf("it begins as %+v", p)
	}
	if err := s.StartPoint("film"); err != nil {
		t.Fatal(err)
	}
	s.WaitPoint("film", "live")
	if err := s.StopPoint("film", ""); err != nil {
		t.Fatal(err)
	}
	if p := s.Point("film"); p.State != "stopped" || p.Reason != "stopped by an operator" || p.Source != "" {
		t.Errorf("after the stop it is %+v", p)
	}
	plan, err := s.Apply(film(""))
	if err != nil || len(plan.Changes) != 1 || !strings.Contains(plan.Changes[0].Note, "it is started") {
		t.Fatalf("%+v, %v", plan, err)
	}
	s.WaitPoint("film", "live")
	viewer := asks(t, s, "/film", "curl")
	s.WaitViewers("film", 1)
	planned, err := s.Plan(film(", enabled: false"))
	if err != nil {
		t.Fatal(err)
	}
	if plan, err = s.Apply(film(", enabled: false")); err != nil || !strings.Contains(plan.Changes[0].Note, "its source and viewers end") {
		t.Fatalf("%+v, %v", plan, err)
	}
	ends := func(p hosttest.Plan) (n int) {
		for _, x := range p.Sessions {
			if x.Effect == admin.Ends {
				n++
			}
		}
		return n
	}
	if ends(planned) < 4 || ends(plan) < 3 { // the source and its child, the viewer, its packager
		t.Errorf("planned %+v\ntouched %+v", planned.Sessions, plan.Sessions)
	}
	if _, err = io.ReadAll(viewer.Body); err != nil {
		t.Errorf("the viewer ends with %v", err)
	}
	if p := s.Point("film"); p.State != "stopped" || !strings.HasPrefix(p.Reason, "enabled: false in ") {
		t.Errorf("in the end it is %+v", p)
	}
}

// TestViewerLimits: each limit keeps viewers out in the words of their protocols, and the
// status tells of it.
func TestViewerLimits(t *testing.T) {
	t.Parallel()
	const demo = `source: {url: "file:builtin/demo.asf"}`
	s := hosttest.Start(t, pointsYAML+`
limits: {viewers: 4}
points:
  wide: {`+demo+`, limits: {viewer_bandwidth: 1kbit/s}}
  full: {`+demo+`, limits: {bandwidth: 2kbit/s}}
  free: {`+demo+`}
  few: {`+demo+`, limits: {viewers: 1, bandwidth: 1Gbit/s}}
`)
	for _, name := range []string{"wide", "full", "free", "few"} {
		s.WaitMedia(name, 0)
		s.Wait("the rate of "+name+" is known", func() bool {
			p := s.Point(name)
			return len(p.Renditions) == 2 && p.Renditions[0].HeldSeconds >= 1 && p.Renditions[1].HeldSeconds >= 1
		})
	}
	isRefused(t, s, "/wide", "NSPlayer/9.0", 503, "NS_E_MAX_BITRATE (0xC00D0047)")
	isRefused(t, s, "/wide", "curl", 503, "is faster than a viewer may be sent")
	isRefused(t, s, "/full", "NSPlayer/9.0", 503, "NS_E_INSUFFICIENT_BANDWIDTH (0xC00D002C)")
	isRefused(t, s, "/full", "curl", 503, "has no bandwidth left for another viewer")
	asks(t, s, "/few", "curl")
	s.WaitViewers("few", 1)
	isRefused(t, s, "/few", "NSPlayer/9.0", 503, "NS_E_MAX_CLIENTS (0xC00D0049)")
	for range 3 {
		asks(t, s, "/free", "curl")
	}
	s.WaitViewers("free", 3)
	isRefused(t, s, "/free", "NSPlayer/9.0", 503, `NS_E_MAX_CLIENTS (0xC00D0049): publishing point "free" is on a server that has as many viewers as it may`)
	st := s.Status()
	few := s.Point("few").Audience
	if st.Audience.Viewers != 4 || st.Audience.MaxViewers != 4 || st.Audience.RateBits < 4*few.RateBits/2 || few.RateBits == 0 || few.MaxRateBits != 1_000_000_000 || few.Viewers != 1 {
		t.Errorf("all %+v, few %+v", st.Audience, few)
	}
	if _, err := s.Apply(pointsYAML + "limits: {viewers: 5}\npoints: {free: {" + demo + "}}\n"); err != nil {
		t.Fatal(err)
	}
	if p := asks(t, s, "/free", "curl"); p.StatusCode != http.StatusOK {
		t.Errorf("after the limit was raised: %s", p.Status)
	}
}

// TestStoppedOverTakeover: who takes over knows what was stopped.
func TestStoppedOverTakeover(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, pointsYAML+"points: {live: {source: push}, tv: {source: push}}\n")
	if err := s.StopPoint("tv", "by hand"); err != nil {
		t.Fatal(err)
	}
	next := s.TakeOver()
	if p := next.Point("tv"); p.State != "stopped" || p.Reason != "by hand" {
		t.Errorf("tv is %+v", p)
	}
	if p := next.Point("live"); p.State != "idle" {
		t.Errorf("live is %+v", p)
	}
}

// TestSwitchedOverTakeover: who takes over has its own configuration stop points, and
// operators' stops and starts of the server before.
func TestSwitchedOverTakeover(t *testing.T) {
	t.Parallel()
	const film = "source: {url: \"file:builtin/demo.asf\"}, enabled: false"
	yaml := func(off string) string {
		return pointsYAML + "points: {off: {source: push, enabled: " + off + "}, up: {source: push, enabled: false}, film: {" + film + "}, tv: {source: push, enabled: false}}\n"
	}
	s := hosttest.Start(t, yaml("false"))
	for _, name := range []string{"up", "film", "tv"} {
		if err := s.StartPoint(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.StopPoint("tv", "by hand"); err != nil {
		t.Fatal(err)
	}
	next, err := s.TryTakeOver(yaml("true"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"off": "idle", "up": "idle", "tv": "stopped"} {
		if p := next.Point(name); p.State != want {
			t.Errorf("%s is %+v", name, p)
		}
	}
	if p := next.Point("tv"); p.Reason != "by hand" {
		t.Errorf("tv is %+v", p)
	}
	next.WaitPoint("film", "live")
}

// TestArchive: a point is kept as its encoder sent it, in a file that is finished when the
// source has gone.
func TestArchive(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, pointsYAML+"points: {live: {source: push, grace: 0s, archive: {file: \"rec/{point}.asf\"}}}\n")
	encoder := push(t, s, "live")
	path := filepath.Join(s.Dir(), "rec", "live.asf")
	film := sample.Demo()
	h, err := asf.ParseHeader(film)
	if err != nil {
		t.Fatal(err)
	}
	whole := (len(film) - h.Size) / h.PacketSize
	s.WaitStatus("the film is kept", func(st hosttest.Status) bool {
		a := st.Points[0].Archive
		return a != nil && a.State == "recording" && a.File == path && a.Packets >= uint64(whole)-1
	})
	encoder.Close()
	s.WaitStatus("the file is finished", func(st hosttest.Status) bool { return st.Points[0].Archive.State == "waiting" })
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	k, err := asf.ParseHeader(kept)
	if err != nil || k.DataPackets == 0 || k.Flags&3 != 2 || len(kept) != k.Size+int(k.DataPackets)*k.PacketSize {
		t.Fatalf("%d packets, flags %d, %d bytes, %v", k.DataPackets, k.Flags, len(kept), err)
	}
	if !bytes.HasPrefix(film[h.Size:], kept[k.Size:]) || int(k.DataPackets) < whole-1 {
		t.Errorf("%d packets of %d are not those of the encoder", k.DataPackets, whole)
	}
}

// TestArchiveOverTakeover: the server that was taken over finishes its file while the source
// goes on, and the next one keeps the point in another.
func TestArchiveOverTakeover(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, pointsYAML+"points: {live: {source: push, archive: {file: \"rec/{point}.asf\"}}}\n")
	push(t, s, "live")
	recording := func(st hosttest.Status) bool { a := st.Points[0].Archive; return a != nil && a.State == "recording" }
	s.WaitStatus("the film is kept", recording)
	next := s.TakeOver()
	next.WaitStatus("the film is kept by the next server", recording)
	next.Wait("the old one's file is finished", func() bool {
		kept, err := os.ReadFile(filepath.Join(s.Dir(), "rec", "live.asf"))
		h, wrong := asf.ParseHeader(kept)
		return err == nil && wrong == nil && h.Flags&3 == 2
	})
	if p := next.Point("live"); p.State != "live" || p.Archive.File != filepath.Join(s.Dir(), "rec", "live-2.asf") {
		t.Errorf("the next server has %+v, kept in %+v", p, p.Archive)
	}
}
