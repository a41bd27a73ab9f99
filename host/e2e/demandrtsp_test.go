package e2e

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// demandYAML pulls by HTTP, when somebody asks, and is asked by RTSP.
const demandYAML = `
listeners:
  rtsp: {address: "127.0.0.1:0"}
plugins:
  mpegts: {module: "builtin:mpegts"}
  rtsp: {module: "builtin:rtsp", listeners: [rtsp], grant: {attach: ["*"]}}
  rtptracks: {module: "builtin:rtptracks", grant: {attach: ["tracks"]}}
  pull: {module: "builtin:pull", grant: {publish: ["*"], dial: ["tcp:127.0.0.1:*"]}}
points:
  ffmpeg: {source: {url: %[1]q, start: demand, idle: 1s}}
  gstreamer: {source: {url: %[1]q, start: demand, idle: 1s}}
  vlc: {source: {url: %[1]q, start: demand, idle: 1s}}
  tracks: {source: {url: %[1]q, start: demand, idle: 1s}}
  gone: {source: {url: "http://127.0.0.1:%[2]d/x", start: demand}}
  mute: {source: {url: "http://%[3]s/x", start: demand}}
`

// ffmpegFirst has ffmpeg decode pictures that come as a track, from the point's first on.
func ffmpegFirst(t *testing.T, url string) {
	t.Helper()
	c := ffmpeg.run(t, progress, "-rtsp_transport tcp -i", url, "-map 0:v:0 -frames:v", strconv.Itoa(enough), "-f null -").succeeded().undamaged()
	if n := c.frames(); n < enough {
		t.Errorf("%d frames decoded, %d expected", n, enough)
	}
}

// TestRTSPStartsSource: RTSP players are the first who ask for a point that is pulled on
// demand. Their request waits until its format is known, and they get pictures; where none
// come they are told so, at once if the source cannot be reached, else when they have waited
// long enough.
func TestRTSPStartsSource(t *testing.T) {
	t.Parallel()
	from := serve(t, "\n  tv: {source: push}\n")
	from.push(t, "tv", h264+ts)
	from.WaitMedia("tv", 2*time.Second)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, as the kernel does for it, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	s := server{hosttest.Start(t, fmt.Sprintf(demandYAML, from.http("/tv.ts"), freeTCP(t), mute.Addr()))}
	t.Run("all", func(t *testing.T) {
		for point, play := range map[string]func(t *testing.T, url string){
			"ffmpeg":    func(t *testing.T, url string) { ffmpegRTSP(t, "tcp", url) },
			"gstreamer": func(t *testing.T, url string) { gstRTSP(t, "tcp", url) },
			"tracks":    func(t *testing.T, url string) { ffmpegFirst(t, url+"?tracks") },
			"vlc":       func(t *testing.T, url string) { vlcPlays(t, url) }, // which asks for no description
		} {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				if p := s.Point(point); p.State != "idle" || p.Sources != 0 {
					t.Fatalf("%s with %d sources while nobody watches", p.State, p.Sources)
				}
				play(t, s.rtsp("/"+point))
			})
		}
		t.Run("none", func(t *testing.T) {
			t.Parallel()
			took := map[string]time.Duration{}
			for _, point := range []string{"gone", "mute"} {
				began := time.Now()
				got := asksRTSP(t, s.Addr("rtsp"), "DESCRIBE "+s.rtsp("/"+point)+" RTSP/1.0\r\nCSeq: 3\r\nAccept: application/sdp\r\n\r\n")
				if took[point] = time.Since(began); !strings.HasPrefix(got, "RTSP/1.0 503 Service Unavailable\r\nCSeq: 3\r\n") {
					t.Errorf("%s: %q", point, got)
				}
			}
			if took["gone"] >= took["mute"] || took["mute"] < holdTime {
				t.Errorf("refused after %v; %v is waited for a source that can be reached, and none for one that cannot", took, holdTime)
			}
		})
	})
	for _, point := range []string{"ffmpeg", "gstreamer", "tracks", "vlc"} { // which have ended with their tests
		if p := s.WaitPoint(point, "idle"); p.Sources != 1 {
			t.Errorf("%s: %d sources", point, p.Sources)
		}
	}
	from.WaitViewers("tv", 0)
}
