package e2e

import (
	"os/exec"
	"testing"
	"time"
)

// TestEncoders has each encoder that the issue names feed a point of its own, and
// ffmpeg play it.
func TestEncoders(t *testing.T) {
	t.Parallel()
	const (
		viaMMSH = "mmsh"
		viaHTTP = "http"
	)
	s := serve(t, `
  asf-stream: {source: push}
  asf: {source: push}
  asf-stream-to-close: {source: push}
  asf-to-close: {source: push}
  put: {source: push}
  msmpeg4: {source: push}
  packet-1400: {source: push}
  ts: {source: push}
  ts-to-close: {source: push}
  sound: {source: push}
`)
	for _, e := range []struct{ point, how, scheme string }{
		{"asf-stream", wmv + framed, viaMMSH},
		{"asf", wmv + plainASF, viaMMSH},
		{"asf-stream-to-close", wmv + framed + "-chunked_post 0", viaMMSH},
		{"asf-to-close", wmv + plainASF + "-chunked_post 0", viaHTTP},
		{"put", wmv + "-f asf_stream -method PUT", viaMMSH},
		{"msmpeg4", "-c:v msmpeg4 -g 30 -b:v 300k -c:a wmav2 " + framed, viaMMSH},
		{"packet-1400", wmv + "-packet_size 1400 " + framed, viaHTTP},
		{"ts", h264 + ts, viaHTTP},
		{"ts-to-close", h264 + ts + "-chunked_post 0", viaHTTP},
	} {
		t.Run(e.point, func(t *testing.T) {
			t.Parallel()
			s.push(t, e.point, e.how)
			s.WaitMedia(e.point, time.Second)
			ffmpegPlays(t, s.URL("web", e.scheme, "/"+e.point))
		})
	}
	t.Run("sound", func(t *testing.T) {
		t.Parallel()
		s.push(t, "sound", "-vn -c:a wmav2 -b:a 64k "+framed)
		ffmpeg.run(t, progress, "-i", s.mmsh("/sound"), "-t 2 -f null -").succeeded().undamaged()
	})
}

// TestCurlUploads: curl -T sends what another program makes, chunked, when it has been
// told to continue, or without asking.
func TestCurlUploads(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  asks: {source: push}
  tells: {source: push}
`)
	for point, header := range map[string]string{"asks": "Expect: 100-continue", "tells": "Expect:"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			ffmpeg.need(t)
			curl.need(t)
			encoder := exec.Command(ffmpeg.name, fields([]string{picture, wmv, "-t 6 -f asf pipe:1"})...)
			upload := exec.Command(curl.name, "-sS", "-i", "-T", "-", "-H", header, s.http("/"+point))
			var err error
			if upload.Stdin, err = encoder.StdoutPipe(); err != nil {
				t.Fatal(err)
			}
			if err := encoder.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = encoder.Process.Kill()
				_ = encoder.Wait()
			})
			c := startCommand(t, upload)
			s.WaitPoint(point, "live")
			ffmpegPlays(t, s.mmsh("/"+point))
			c.wait().succeeded().says("200 OK").says("stream ended")
		})
	}
}
