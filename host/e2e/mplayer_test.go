package e2e

import (
	"regexp"
	"testing"
)

func init() {
	plays = append(plays,
		play{"mplayer mmsh", "live", mplayer, func(t *testing.T, s server) { mplayerPlays(t, s.mmsh("/live")) }},
		play{"mplayer http asf", "live", mplayer, func(t *testing.T, s server) { mplayerPlays(t, s.http("/live")) }},
		play{"mplayer asx", "live", mplayer, func(t *testing.T, s server) { mplayerPlays(t, "-playlist "+s.http("/live.asx")) }},
	)
}

// clock is mplayer's status line: times of sound and picture, and their distance.
var clock = regexp.MustCompile(`A: *\d+\.\d V: *\d+\.\d A-V:`)

// mplayerPlays has mplayer show 44 frames, after which it ends by itself.
func mplayerPlays(t *testing.T, what string) {
	t.Helper()
	c := mplayer.run(t, "-vo null -ao null -nolirc -noconsolecontrols -frames 44", what).succeeded().says("VIDEO:  [WMV2]").says("Exiting... (End of file)")
	if !clock.MatchString(c.out.String()) {
		t.Errorf("mplayer shows no clock of picture and sound")
	}
}
