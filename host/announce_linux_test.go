package host_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// announcedYAML has points that are announced in every way; the words are a point's.
const announcedYAML = `
listeners:
  web: {address: "127.0.0.1:0"}
  alt: {address: "127.0.0.1:0"}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  http: {module: "builtin:http", listeners: [%s], grant: {attach: ["*"]}}
  asx: {module: "builtin:asx", listeners: [web], grant: {documents: true}}
  msb: {module: "builtin:msb", listeners: [web], grant: {attach: ["*"], documents: true}}
  sdp: {module: "builtin:sdp", listeners: [web], grant: {documents: true}}
  playlist: {module: "builtin:playlist", listeners: [web], grant: {documents: true}}
  page: {module: "builtin:page", listeners: [web], grant: {documents: true}}
points:
  %s
`

// document asks for one; its status stands before it.
func document(t *testing.T, s *hosttest.Server, path string) string {
	t.Helper()
	r, err := http.Get(s.URL("web", "http", path))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s\n%s", r.StatusCode, r.Header.Get("Content-Type"), b)
}

// TestAnnouncementsFollow: documents say what holds when they are asked for: of plugins, listeners, groups, points and what is said of them.
func TestAnnouncementsFollow(t *testing.T) {
	apply := func(s *hosttest.Server, listeners, points string) {
		t.Helper()
		if _, err := s.Apply(fmt.Sprintf(announcedYAML, listeners, points)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(s *hosttest.Server, path string, has, hasNot []string) {
		t.Helper()
		got := document(t, s, path)
		for _, text := range has {
			if !strings.Contains(got, text) {
				t.Errorf("%s lacks %q:\n%s", path, text, got)
			}
		}
		for _, text := range hasNot {
			if strings.Contains(got, text) {
				t.Errorf("%s has %q:\n%s", path, text, got)
			}
		}
	}
	const plain = `live: {source: push}`
	s := hosttest.Start(t, fmt.Sprintf(announcedYAML, "web", plain))
	web := func() string { return s.Addr("web") + "/" }
	want(s, "/live.asx", []string{"200 video/x-ms-asf", web() + "live\"", "<title>live<"}, []string{".nsc"})
	want(s, "/live.wax", []string{"200 audio/x-ms-wax"}, nil)
	want(s, "/live.sdp", []string{"404 ", "sent to no group"}, nil)
	want(s, "/live.sap", []string{"404 "}, nil) // is for the host alone
	want(s, "/live.html", []string{"200 text/html", "Not on air", web() + "live.asx", web() + "live.m3u", web() + "live.xspf"}, []string{"live.nsc", "live.sdp", "live.sap", "live.html\""})

	groups := `live: {source: push, about: {title: "News & more", author: me}, multicast: [{group: "239.255.7.7:26000", interface: lo, rendition: rtp}, {group: "239.255.7.8:26002", interface: lo, rendition: msb}]}`
	apply(s, "web", groups)
	want(s, "/live.asx", []string{"News &amp; more", "<author>me<", "<ref href=\"http://" + web() + "live.nsc\"/>\r\n    <ref href=\"http://" + web() + "live\"/>"}, nil)
	want(s, "/live.sdp", []string{"200 application/sdp", "s=News & more\r\n", "c=IN IP4 239.255.7.7/1\r\n", "m=video 26000 RTP/AVP 33\r\n", "u=http://" + web() + "live.html\r\n"}, nil)
	want(s, "/live.nsc", []string{"503 ", "when its encoder has begun"}, nil)
	want(s, "/live.m3u", []string{web() + "live.ts\n#EXTINF:-1,News & more\nrtp://@239.255.7.7:26000\n"}, []string{"239.255.7.8"})
	want(s, "/live.html", []string{web() + "live.nsc", web() + "live.sdp", "rtp://@239.255.7.7:26000", "msb://@239.255.7.8:26002"}, nil)

	apply(s, "alt", strings.Replace(groups, "26000", "26004", 1)+"\n  other: {source: push}")
	want(s, "/live.xspf", []string{"<location>rtp://@239.255.7.7:26004</location>", s.Addr("alt") + "/live<"}, []string{web() + "live<", "26000"})
	want(s, "/live.sdp", []string{"m=video 26004 "}, nil)
	want(s, "/other.asx", []string{"200 ", s.Addr("alt") + "/other"}, nil)

	air(t, s, 0)
	s.WaitPoint("live", "live")
	want(s, "/live.nsc", []string{"200 application/x-ms-nsc\n[Address]\r\n", "IP Port=0x00006592\r\n", "Format1=02"}, nil)
	want(s, "/live.html", []string{"On air.", "msb://@239.255.7.8:26002"}, []string{"rtp://"}) // no plugin makes it
	want(s, "/live.sdp", []string{"404 "}, nil)

	if err := s.Disable("http", "test"); err != nil {
		t.Fatal(err)
	}
	want(s, "/live.asx", []string{"live.nsc"}, []string{s.Addr("alt")})
	want(s, "/live.m3u", []string{"404 "}, nil)
	if err := s.Enable("http"); err != nil {
		t.Fatal(err)
	}
	want(s, "/live.m3u", []string{s.Addr("alt") + "/live"}, nil)
	apply(s, "web", `other: {source: push}`)
	want(s, "/live.asx", []string{"404 "}, nil)
}

// sapOn gives a group of this process's own, and who hears what is announced to it.
func sapOn(t *testing.T) (group string, next func() string) {
	t.Helper()
	pid := os.Getpid()
	group = fmt.Sprintf("239.255.%d.%d", pid>>8&255, max(1, pid&255))
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenMulticastUDP("udp4", lo, &net.UDPAddr{IP: net.ParseIP(group), Port: 9875})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return group, func() string {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		b := make([]byte, 1<<16)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

// TestSAPTakeOver: a server that takes over announces the same, and the old one takes nothing back.
func TestSAPTakeOver(t *testing.T) {
	group, next := sapOn(t)
	const points = `live: {source: push, multicast: {group: "239.255.7.9:26000", interface: lo, rendition: rtp, sap: {group: %s, interval: 1h}}}`
	s := hosttest.Start(t, fmt.Sprintf(announcedYAML, "web", fmt.Sprintf(points, group)))
	first := next()
	if first[0] != 0x20 || !strings.Contains(first, "application/sdp\x00v=0\r\n") {
		t.Fatalf("%q", first)
	}
	later := s.TakeOver()
	if got := next(); got != first {
		t.Errorf("after the take-over %q", got)
	}
	later.Wait("status tells of one announcement", func() bool {
		a := later.Point("live").Multicast[0].SAP
		return a != nil && a.To == group+":9875" && a.State == "announced" && a.Announcements == 1 && a.Deletions == 0
	})
	s.Close()
	later.Close()
	if got := next(); got[0] != 0x24 || got[1:] != first[1:] {
		t.Errorf("at the end %q", got)
	}
}
