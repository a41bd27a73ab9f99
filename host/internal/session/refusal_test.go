package session

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/sdk"
)

// TestRefusalHTTP: the plugin's own words, and the larger of both times.
func TestRefusalHTTP(t *testing.T) {
	declared := manifest.Refusal{Status: 508, RetryAfter: 2 * time.Second, Type: "application/x-sorry", Body: "sorry"}
	for name, c := range map[string]struct {
		declared                manifest.Refusal
		wait                    time.Duration
		status                  int
		mediaType, body, second string
	}{
		"declared":      {declared, 0, 508, "application/x-sorry", "sorry", "2"},
		"longer":        {declared, 4*time.Second + 1, 508, "application/x-sorry", "sorry", "5"},
		"shorter":       {declared, time.Second, 508, "application/x-sorry", "sorry", "2"},
		"nothing":       {manifest.Refusal{}, time.Minute, 503, "text/plain; charset=utf-8", "the excuse; try again in 60 s\n", "60"},
		"nobody knows":  {manifest.Refusal{}, 0, 503, "text/plain; charset=utf-8", "the excuse\n", ""},
		"without type":  {manifest.Refusal{Body: "x"}, 0, 503, "text/plain; charset=utf-8", "x", ""},
		"only a status": {manifest.Refusal{Status: 429}, 0, 429, "text/plain; charset=utf-8", "the excuse\n", ""},
	} {
		a := excuse{text: "the excuse", wait: c.wait}.answer(c.declared)
		if a.status != c.status || a.header.Get("Content-Type") != c.mediaType || string(a.body) != c.body || a.header.Get("Retry-After") != c.second {
			t.Errorf("%s: %d %v %q", name, a.status, a.header, a.body)
		}
	}
}

// TestRefusalRTSP: a request gets its own number back, and whatever is no RTSP nothing.
func TestRefusalRTSP(t *testing.T) {
	const rest = "Retry-After: 8\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\n\r\nwait!; try again in 8 s\n"
	for head, want := range map[string]string{
		"OPTIONS rtsp://x/live RTSP/1.0\r\nCSeq: 7\r\n\r\n":            "RTSP/1.0 503 Service Unavailable\r\nCSeq: 7\r\n" + rest,
		"OPTIONS * RTSP/2.0\r\nAgent: x\r\ncseq:  12 \r\n\r\n":         "RTSP/2.0 503 Service Unavailable\r\nCSeq: 12\r\n" + rest,
		"SETUP rtsp://x/ RTSP/1.0\nCSeq: 3\n\n":                        "RTSP/1.0 503 Service Unavailable\r\nCSeq: 3\r\n" + rest,
		"OPTIONS * RTSP/1.0\r\nCSeq: 7; drop\r\n\r\n":                  "RTSP/1.0 503 Service Unavailable\r\n" + rest,
		"OPTIONS * RTSP/1.0\r\nX-":                                     "RTSP/1.0 503 Service Unavailable\r\n" + rest,
		"OPTIONS * RTSP/1.0\r\nCSeq: 99999999999999999999999\r\n\r\n":  "RTSP/1.0 503 Service Unavailable\r\n" + rest,
		"GET / HTTP/1.1\r\nCSeq: 7\r\n\r\n":                            "",
		"OPTIONS * RTSP/1.0":                                           "",
		"":                                                             "",
		"\x01\x00\x00\x00\xce\xfa\x0b\xb0 some other protocol's bytes": "",
	} {
		got := excuse{text: "wait!", wait: 8 * time.Second}.rtsp(manifest.Refusal{}, []byte(head))
		if string(got) != want {
			t.Errorf("%q:\n%q, want\n%q", head, got, want)
		}
	}
}

// TestCallsItself: what the host answers for a plugin that is silent, or has failed in a
// request, bears the name that the plugin goes by, and so does what it answers by RTSP.
func TestCallsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		runner := r.add(guardedYAML, func(_ *memo, e abi.Record, _ *sdk.Verdicts) error {
			if q, is := e.(*abi.HTTPRequest); is && string(q.Path) == "/bad" {
				return abi.EPROTO
			}
			return nil
		})
		for path, want := range map[string]int{"/mute": http.StatusGatewayTimeout, "/bad": http.StatusBadRequest} {
			x := &netio.Exchange{Request: httptest.NewRequest(http.MethodGet, path, nil), Listener: "web"}
			_, e := runner.openExchange(x, manifest.Match{Plugin: "guarded", Route: "play"}, "")
			time.Sleep(answerTimeout)
			synctest.Wait()
			if a := e.out; a == nil || a.status != want || a.header.Get("Server") != "Cougar/9.6" {
				t.Errorf("%s: %+v", path, a)
			}
		}
		r.room.Close()
	})
	got := string(excuse{text: "x"}.rtsp(manifest.Refusal{Server: "Cougar/9.6"}, []byte("OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n")))
	if !strings.HasPrefix(got, "RTSP/1.0 503 Service Unavailable\r\nCSeq: 7\r\nServer: Cougar/9.6\r\n") {
		t.Errorf("%q", got)
	}
}

func FuzzRefusalRTSP(f *testing.F) {
	f.Add([]byte("OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		b := string(excuse{text: "x"}.rtsp(manifest.Refusal{}, head))
		if b == "" {
			return
		}
		fields, body, ok := strings.Cut(b, "\r\n\r\n")
		if n := strings.Count(fields, "\r\n"); !ok || body != "x\n" || n < 3 || n > 4 || strings.Count(fields, "\n") != n {
			t.Errorf("%q gives %q", head, b)
		}
	})
}

// TestReadHead: no more than the head is waited for, and no more than its bound read.
func TestReadHead(t *testing.T) {
	const first = "OPTIONS * RTSP/1.0\r\n"
	for text, want := range map[string]int{
		first + "b\r\n\r\n":                      len(first) + 5,
		"OPTIONS * RTSP/1.0\nb\n\nmore":          22,
		first + "unfinished":                     len(first) + 10,
		first + strings.Repeat("x", refusedHead): refusedHead,
		"GET / HTTP/1.0\r\nmore":                 16,
		"\x01\x00":                               1,
	} {
		if got := readHead(iotest.OneByteReader(strings.NewReader(text))); string(got) != text[:want] {
			t.Errorf("%.20q: %d bytes", text, len(got))
		}
	}
}
