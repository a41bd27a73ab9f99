package e2e

import (
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

// server is a weir with all first-party plugins on one listener, and MMS on one of its own too.
type server struct{ *hosttest.Server }

const plugins = `
listeners:
  web: {address: "127.0.0.1:0"}
  mms: {address: "127.0.0.1:0"}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  mpegts: {module: "builtin:mpegts"}
  webm: {module: "builtin:webm"}
  ogg: {module: "builtin:ogg"}
  file: {module: "builtin:file", grant: {publish: ["*"], read: ["builtin/*"]}}
  wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}
  mms: {module: "builtin:mms", listeners: [web, mms], grant: {attach: ["*"]}}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
  asx: {module: "builtin:asx", listeners: [web], grant: {documents: true}}
points:
`

func serve(t *testing.T, points string) server {
	t.Helper()
	return server{hosttest.Start(t, plugins+points)}
}

func (s server) http(path string) string { return s.URL("web", "http", path) }
func (s server) mmsh(path string) string { return s.URL("web", "mmsh", path) }
func (s server) mms(path string) string  { return s.URL("web", "mms", path) }

// What encoders are told: a test picture and a tone, as the wire digest's acceptance
// lines have them.
const (
	picture  = "-nostdin -hide_banner -loglevel warning -re -f lavfi -i testsrc=s=320x240:r=15 -f lavfi -i sine=1000 "
	wmv      = "-c:v wmv2 -g 30 -b:v 300k -c:a wmav2 -b:a 64k "
	h264     = "-c:v libx264 -preset ultrafast -tune zerolatency -g 15 -pix_fmt yuv420p -c:a aac "
	framed   = "-f asf_stream -method POST "
	plainASF = "-f asf -method POST "
	ts       = "-f mpegts -method POST "
)

// push starts an ffmpeg that encodes and pushes to a point, and waits for its media.
func (s server) push(t *testing.T, point, how string) *process {
	t.Helper()
	return s.pushTo(t, point, how, s.http("/"+point))
}

// pushTo is push to a URL that is not the point's own.
func (s server) pushTo(t *testing.T, point, how, url string) *process {
	t.Helper()
	sources := s.Point(point).Sources
	c := ffmpeg.start(t, picture, how, url)
	s.Wait("point "+point+" is live", func() bool {
		if c.ended() {
			t.Fatalf("%s: ended with %v\n%s", c.cmd, c.err, c.log.String())
		}
		p := s.Point(point)
		return p.State == "live" && p.Sources > sources && len(p.Renditions) > 0
	})
	return c
}
