package main

import "testing"

func TestWantsTracks(t *testing.T) {
	for uri, want := range map[string][2]bool{ // by a configuration of ts, of tracks
		"rtsp://h/live":               {false, true},
		"rtsp://h/live?tracks":        {true, true},
		"rtsp://h/live?tracks=":       {true, true},
		"rtsp://h/live?ts":            {false, false},
		"rtsp://h/tracks?x=1&ts&y":    {false, false},
		"rtsp://h/live?x=tracks":      {false, true},
		"rtsp://h/live?xtracks&":      {false, true},
		"rtsp://h/live?a&tracks#ts":   {true, true},
		"rtsp://h/live/?tracks&ts":    {true, true},
		"rtsp://h/live/trackID=1?abc": {false, true},
	} {
		for i, byDefault := range []bool{false, true} {
			if got := (&plugin{tracks: byDefault}).wantsTracks([]byte(uri)); got != want[i] {
				t.Errorf("%s with tracks %v: %v", uri, byDefault, got)
			}
		}
	}
}

func TestCutTrack(t *testing.T) {
	for path, want := range map[string]struct {
		rest   string
		number int
	}{
		"live":               {"live", 0},
		"live/trackID=0":     {"live", 0},
		"live//trackID=2":    {"live", 2},
		"live/trackID=3":     {"live/trackID=3", 0},
		"live/trackID=12":    {"live/trackID=12", 0},
		"live/xtrackID=1":    {"live/xtrackID=1", 0},
		"trackID=1":          {"trackID=1", 0},
		"/trackID=1":         {"", 1},
		"":                   {"", 0},
		"a/trackID=1/stream": {"a/trackID=1/stream", 0},
	} {
		if rest, number := cutTrack([]byte(path)); string(rest) != want.rest || number != want.number {
			t.Errorf("%q: %q, %d; want %+v", path, rest, number, want)
		}
	}
}

// FuzzClocks: a header is another plugin's text.
func FuzzClocks(f *testing.F) {
	f.Add([]byte("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\na=ssrc:7 cname:weir\r\na=mediaclk:direct=1000\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\na=control:trackID=2\r\na=ssrc:8\r\n"), int64(1e9))
	f.Add([]byte("m=\na=control:trackID=99999999999999999999\na=rtpmap:"), int64(-1))
	f.Fuzz(func(t *testing.T, header []byte, ns int64) {
		y := trackPlay{chosen: 3, clocks: clocksOf(header)}
		for i := range y.clocks {
			y.clocks[i].at(ns)
		}
		if b := y.byeFrames(); len(b) > tracks*(4+byeSize) {
			t.Fatalf("% x", b)
		}
		var again trackPlay
		if err := again.readFrom(y.appendTo(nil)); err != nil || again.clocks != y.clocks {
			t.Fatalf("%+v comes back as %+v (%v)", y.clocks, again.clocks, err)
		}
	})
}
