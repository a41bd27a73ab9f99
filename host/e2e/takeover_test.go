package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// TestTakeOver: an encoder pushes over HTTP to one server after another without noticing, another one sends datagrams to whoever listens, and each server
// has pictures for a player from its first moment.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	push := "  push: {module: \"builtin:push\", listeners: [web], grant: {publish: [\"*\"]}}\npoints:\n  pushed: {source: push, grace: 20s}\n"
	s := server{hosttest.Start(t, strings.Replace(datagrams, "points:\n", push, 1))}
	s.stream(t, "live", fmt.Sprintf(bareTS, s.Addr("in")))
	encoder := s.push(t, "pushed", h264+ts)
	s.WaitMedia("live", time.Second)
	s.WaitMedia("pushed", time.Second)
	for range 2 {
		old := s
		s = server{s.TakeOver()}
		s.WaitPoint("live", "live")
		// A sender of datagrams counts as one that has come back, in the middle of a picture.
		if n := ffmpeg.run(t, progress, "-i", s.http("/live.ts"), "-t 3 -f null -").succeeded().frames(); n < enough/2 {
			t.Errorf("%d frames of the datagrams decoded, %d expected", n, enough)
		}
		ffmpegPlays(t, s.http("/pushed.ts"))
		if p := s.Point("pushed"); p.Sources != 1 {
			t.Errorf("point pushed has had %d sources; its encoder never left", p.Sources)
		}
		<-old.Retired()
		old.Close()
	}
	if encoder.ended() {
		t.Errorf("the encoder has ended: %v\n%s", encoder.err, encoder.log.String())
	}
}
