package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// TestPointStops: a point that is stopped ends its player and its encoder, each in the words
// of its protocol; when it is started, another encoder is let in. curl reads what happens as
// it does, and the player's session is a line of the log.
func TestPointStops(t *testing.T) {
	t.Parallel()
	ffmpeg.need(t)
	s := server{hosttest.Start(t, plugins+"  live: {source: push}\nlog: {sessions: sessions-%Y%m%d.log}\n")}
	events := curl.start(t, "-sSN --unix-socket", strings.TrimPrefix(s.Admin(), "unix:"), "http://localhost/v1/events?point=live")
	hosttest.Eventually(t, "curl reads", func() bool { return strings.Contains(events.out.String(), "events of weir") })
	encoder := s.push(t, "live", wmv+framed)
	player := ffmpeg.start(t, progress, "-i", s.mmsh("/live"), "-f null -")
	player.waitFrames(15)
	if err := s.StopPoint("live", "closed until noon"); err != nil {
		t.Fatal(err)
	}
	player.wait().succeeded()
	encoder.wait()
	if log := encoder.log.String(); encoder.err == nil && !strings.Contains(log, "503") {
		t.Errorf("the encoder ended as if nothing were: %s", log)
	}
	if p := s.Point("live"); p.State != "stopped" || p.Viewers != 0 || p.Source != "" {
		t.Errorf("the point is %+v", p)
	}
	ffmpeg.run(t, "-hide_banner -i", s.mmsh("/live"), "-f null -").failed().says("503")
	ffmpeg.run(t, picture, wmv+framed, s.http("/live")).failed()
	if err := s.StartPoint("live"); err != nil {
		t.Fatal(err)
	}
	s.push(t, "live", wmv+framed)
	ffmpegPlays(t, s.mmsh("/live"))
	heard := events.out.String()
	for _, want := range []string{"event: source\ndata: {", `"what":"begin"`, "event: play\ndata: {", `"user_agent":"NSPlayer/`, "event: stop\ndata: {", `"reason":"source_end"`, `"what":"stopped"`, `"reason":"closed until noon"`} {
		if !strings.Contains(heard, want) {
			t.Errorf("curl has not read %s", want)
		}
	}
	st := s.WaitStatus("the log has lines", func(st hosttest.Status) bool { return st.Records.Sessions.Lines >= 3 })
	text, err := os.ReadFile(st.Records.Sessions.File)
	if err != nil || !strings.Contains(string(text), " viewer live mmsh wmsp 0 source_end\r\n") || !strings.Contains(string(text), " source live asf push 0 closed+until+noon\r\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestArchivePlays: what was kept of a point decodes while it is written, as a crash would
// leave it, and whole, with its length and from its middle, once it is finished.
func TestArchivePlays(t *testing.T) {
	t.Parallel()
	ffmpeg.need(t)
	s := server{hosttest.Start(t, plugins+"  live: {source: push, grace: 0s, archive: {file: \"rec/{point}.asf\"}}\n  tv: {source: push, grace: 0s, archive: {file: \"rec/{point}.ts\", rendition: mpegts}}\n")}
	encoders := []*process{s.push(t, "live", wmv+framed), s.push(t, "tv", h264+ts)}
	for i, name := range []string{"live", "tv"} {
		file := s.Dir() + "/rec/" + name + []string{".asf", ".ts"}[i]
		s.WaitMedia(name, 3*time.Second)
		hosttest.Eventually(t, "the file grows", func() bool { st, err := os.Stat(file); return err == nil && st.Size() > 40_000 })
		if n := ffmpeg.run(t, progress, "-i", file, "-f null -").succeeded().frames(); n < 15 {
			t.Errorf("%s: %d frames decoded while it is written", file, n)
		}
		encoders[i].kill()
		s.WaitStatus("the file of "+name+" is finished", func(st hosttest.Status) bool { return st.Points[i].Archive.State == "waiting" })
		whole := ffmpeg.run(t, progress, "-i", file, "-f null -").succeeded().undamaged()
		if n := whole.frames(); n < enough {
			t.Errorf("%s: %d frames decoded, %d expected", file, n, enough)
		}
		part := ffmpeg.run(t, progress, "-ss 2 -i", file, "-f null -").succeeded()
		if n := part.frames(); n == 0 || n >= whole.frames() {
			t.Errorf("%s: from its middle %d frames decoded, of %d", file, n, whole.frames())
		}
		if name == "live" {
			ffmpeg.run(t, "-nostdin -hide_banner -i", file, "-t 0 -f null -").says("Duration: 00:00:0")
		}
	}
}
