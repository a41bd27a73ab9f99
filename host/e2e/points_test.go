package e2e

import (
	"os"
	"strings"
	"testing"

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
