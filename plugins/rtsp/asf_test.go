package main

import "testing"

func TestCutASF(t *testing.T) {
	for path, want := range map[string]struct {
		rest string
		is   bool
	}{
		"live":                {"live", false},
		"live/asfID=1":        {"live", true},
		"live//asfID=127":     {"live", true},
		"a/live/asfID=0/rtx":  {"a/live", true},
		"live/rtx":            {"live/rtx", false},
		"live/asfID=":         {"live/asfID=", false},
		"live/asfID=x":        {"live/asfID=x", false},
		"live/xasfID=1":       {"live/xasfID=1", false},
		"live/asfID=1/stream": {"live/asfID=1/stream", false},
		"asfID=1":             {"asfID=1", false},
		"/asfID=1":            {"", true},
		"/rtx":                {"/rtx", false},
		"":                    {"", false},
	} {
		if rest, is := cutASF([]byte(path)); string(rest) != want.rest || is != want.is {
			t.Errorf("%q: %q, %v; want %+v", path, rest, is, want)
		}
	}
	for uri, want := range map[string]bool{"rtsp://h/live/asfID=2": true, "rtsp://h/live/asfID=2/?x": true, "rtsp://h/live": false, "rtsp://h": false, "*": false} {
		if isASFStream([]byte(uri)) != want {
			t.Errorf("%s: %v", uri, !want)
		}
	}
}
