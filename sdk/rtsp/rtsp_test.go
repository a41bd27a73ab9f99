package rtsp

import (
	"errors"
	"strings"
	"testing"
)

const describe = "DESCRIBE rtsp://127.0.0.1:8554/live RTSP/1.0\r\nAccept: application/sdp\r\nCSeq: 2\r\nUser-Agent: Lavf59.27.100\r\n\r\n"

func TestParseRequest(t *testing.T) {
	r, n, err := ParseRequest([]byte(describe + "next"))
	if err != nil || n != len(describe) || string(r.Method) != "DESCRIBE" || string(r.URI) != "rtsp://127.0.0.1:8554/live" || r.CSeq != 2 || !r.HasCSeq || r.ContentLength != 0 {
		t.Fatalf("%+v, %d, %v", r, n, err)
	}
	if v, ok := r.Get("accept"); !ok || string(v) != "application/sdp" {
		t.Errorf("accept: %q, %v", v, ok)
	}
	if v, ok := r.Get("Range"); ok || v != nil {
		t.Errorf("range: %q", v)
	}
	for _, c := range []struct {
		name, text string
		err        error
		cseq       uint64
		has        bool
	}{
		{"VLC counts from 0", "SETUP rtsp://h/live RTSP/1.0\r\nCSeq: 0\r\n\r\n", nil, 0, true},
		{"line feeds alone", "PLAY rtsp://h/ RTSP/1.0\nCSeq: 7\n\n", nil, 7, true},
		{"a blank line before", "\r\nPLAY rtsp://h/ RTSP/1.0\r\nCSeq: 7\r\n\r\n", nil, 7, true},
		{"version 2.0", "OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", nil, 1, true},
		{"a line that is no header", "OPTIONS * RTSP/1.0\r\n folded\r\nnothing\r\nCSeq: 1\r\n\r\n", nil, 1, true},
		{"no number", "OPTIONS * RTSP/1.0\r\nContent-Length: 0\r\n\r\n", nil, 0, false},
		{"not all there", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n", ErrIncomplete, 0, false},
		{"HTTP", "GET / HTTP/1.1\r\nCSeq: 3\r\n\r\n", ErrVersion, 3, true},
		{"no request", "hello\r\nCSeq: 4\r\n\r\n", ErrMalformed, 4, true},
		{"a number that is none", "OPTIONS * RTSP/1.0\r\nCSeq: one\r\n\r\n", ErrMalformed, 0, false},
		{"two lengths", "OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", ErrMalformed, 5, true},
		{"a length that is too long", "OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 99999999999999999999\r\n\r\n", ErrMalformed, 5, true},
	} {
		r, _, err := ParseRequest([]byte(c.text))
		if !errors.Is(err, c.err) || r.CSeq != c.cseq || r.HasCSeq != c.has {
			t.Errorf("%s: %v, CSeq %d %v", c.name, err, r.CSeq, r.HasCSeq)
		}
	}
}

func TestSession(t *testing.T) {
	for field, want := range map[string]string{"Session: 12ab;timeout=60": "12ab", "session:  12ab ": "12ab", "X: y": ""} {
		r, _, err := ParseRequest([]byte("PLAY rtsp://h/ RTSP/1.0\r\n" + field + "\r\n\r\n"))
		if got := r.Session(); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", field, got, err)
		}
	}
}

func TestTransport(t *testing.T) {
	for _, c := range []struct{ asked, answer string }{
		{"RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;interleaved=0-1"},
		{"RTP/AVP/UDP;unicast;client_port=18184-18185", "RTP/AVP/UDP;unicast;client_port=18184-18185"},
		{"RTP/AVP;unicast;client_port=9330-9331", "RTP/AVP;unicast;client_port=9330-9331"},
		{`RTP/AVP;unicast;client_port=9330-9331;mode="PLAY"`, "RTP/AVP;unicast;client_port=9330-9331"},
		{"RTP/AVP/TCP;unicast;interleaved=2-3;mode=record", "RTP/AVP/TCP;unicast;interleaved=2-3;mode=record"},
		{`rtp/avp/tcp; Interleaved=4 ;mode="RECORD"`, "RTP/AVP/TCP;unicast;interleaved=4-5;mode=record"},
		{"RTP/AVP;multicast;destination=239.192.8.8;port=26004-26005;ttl=5", "RTP/AVP;multicast;destination=239.192.8.8;port=26004-26005;ttl=5"},
		{"RTP/AVP;unicast;client_port=1-2;server_port=3-4;ssrc=00c0FFEE", "RTP/AVP;unicast;client_port=1-2;server_port=3-4;ssrc=00C0FFEE"},
		{"RTP/AVP;client_port=70000-70001;ttl=256;ssrc=123456789;interleaved=255", "RTP/AVP;unicast"},
		{"RTP/AVP;client_port=5-;interleaved=-1;port=0-1", "RTP/AVP;unicast"},
		{"x-real-rdt/udp;client_port=6970", ";unicast;client_port=6970-6971"},
	} {
		got, rest, ok := NextTransport([]byte(c.asked))
		if text := string(got.Append(nil)); !ok || len(rest) > 0 || text != c.answer {
			t.Errorf("%s: %q, want %q", c.asked, text, c.answer)
		}
	}
	list, n := []byte("RTP/SAVP;unicast, RTP/AVP/TCP;unicast;interleaved=0-1,"), 0
	for {
		x, rest, ok := NextTransport(list)
		if !ok {
			break
		}
		if want := []Lower{Other, TCP}[n]; x.Lower != want {
			t.Errorf("transport %d: %d", n, x.Lower)
		}
		list, n = rest, n+1
	}
	if n != 2 {
		t.Errorf("%d transports", n)
	}
}

func TestFrame(t *testing.T) {
	if channel, size, ok := Frame([]byte("$\x01\x01\x02more")); channel != 1 || size != 0x102 || !ok {
		t.Error(channel, size, ok)
	}
	for _, b := range []string{"", "$\x00\x00", "OPTIONS"} {
		if _, _, ok := Frame([]byte(b)); ok {
			t.Errorf("%q is a frame", b)
		}
	}
}

func TestAnswer(t *testing.T) {
	b := AppendStatus(nil, 454)
	b = AppendUintField(b, "CSeq", 0)
	b = AppendField(b, "Session", "1\r\nX: y")
	b = AppendField(b, "Public", []byte("OPTIONS"))
	if want := "RTSP/1.0 454 Session Not Found\r\nCSeq: 0\r\nPublic: OPTIONS\r\n"; string(b) != want {
		t.Errorf("%q", b)
	}
	if got := string(AppendStatus(nil, 7)); got != "RTSP/1.0 500 Internal Server Error\r\n" {
		t.Errorf("%q", got)
	}
}

func TestNoAllocations(t *testing.T) {
	b, out := []byte(describe), make([]byte, 0, 256)
	asked := []byte("RTP/AVP/UDP;unicast;client_port=18184-18185")
	if n := testing.AllocsPerRun(100, func() {
		r, _, _ := ParseRequest(b)
		_, _ = r.Get("User-Agent")
		x, _, _ := NextTransport(asked)
		out = x.Append(AppendStatus(out[:0], 200))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(describe))
	f.Add([]byte("\nSETUP rtsp://h/ RTSP/1.0\nTransport: RTP/AVP;client_port=1-2,RTP/AVP/TCP;interleaved=0-1;mode=\"record\"\nSession: x;timeout=6\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := ParseRequest(b)
		if n > len(b) || err == nil && (len(r.Method) == 0 || len(r.URI) == 0) || errors.Is(err, ErrIncomplete) != (n == 0) {
			t.Fatalf("%+v, %d, %v", r, n, err)
		}
		if s := r.Session(); strings.Contains(string(s), ";") && !strings.Contains(string(s), `"`) {
			t.Fatalf("session %q", s)
		}
		steps := 0
		for list, ok := r.Get("Transport"); ok; steps++ {
			var x Transport
			x, list, ok = NextTransport(list)
			if !ok {
				break
			}
			x.Destination = nil // printed as it is
			if again, _, _ := NextTransport(x.Append(nil)); x.Lower != Other && (again.ClientPort != x.ClientPort || again.Interleaved != x.Interleaved || again.SSRC != x.SSRC || again.Record != x.Record) {
				t.Fatalf("%+v became %+v", x, again)
			}
		}
		if steps > len(b) {
			t.Fatal("no progress")
		}
	})
}
