package announce

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
)

// TestGroups: what a live point has, or will have by a packager that may, and before a
// source has come all.
func TestGroups(t *testing.T) {
	var b Book
	p := point.New(point.Options{Name: "tv"}, nil)
	if got := b.Groups(p); len(got) != 0 {
		t.Error(got)
	}
	group := func(rendition, to string) Group {
		return Group{Rendition: rendition, To: addr(to), TTL: 3, Interface: "eth0"}
	}
	b.SetGroups(map[string][]Group{"tv": {group("msb", "239.1.1.1:5000"), group("rtp", "[ff15::7]:5000"), group("mpegts", "239.1.1.2:5000")}, "other": {group("rtp", "239.9.9.9:5000")}})
	b.SetPackagers([]Packager{{From: "mpegts", To: "rtp", On: func(point string) bool { return point == "tv" }}, {From: "rtp", To: "msb", On: func(string) bool { return false }}})
	all := []string{"msb://@239.1.1.1:5000", "rtp://@[ff15::7]:5000", "udp://@239.1.1.2:5000"}
	got := b.Groups(p)
	if !slices.Equal(urls(got), all) || got[1].Group != group("rtp", "[ff15::7]:5000") || got[1].Kind != abi.EndpointMulticast || got[1].Rendition != "rtp" {
		t.Errorf("%+v", got)
	}
	f, err := p.Publish("test", true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open("mpegts"); err != nil {
		t.Fatal(err)
	}
	if got := urls(b.Groups(p)); !slices.Equal(got, all[1:]) {
		t.Errorf("live: %q", got)
	}
	p.Close()
	if got := b.Groups(p); len(got) != 0 {
		t.Errorf("once it has ended: %+v", got)
	}
}

// TestDocuments: one of each format, of the listener that was asked first, and none
// that has no path.
func TestDocuments(t *testing.T) {
	var b Book
	path := func(s string) []manifest.Path { return []manifest.Path{manifest.MustPath(s)} }
	docs := []manifest.Document{{Format: "asx", Paths: path("/{point}.asx")}, {Format: "sap", Unserved: true}, {Format: "about", Paths: path("/about")},
		{Format: "nsc", Paths: append(path("/all"), manifest.MustPath("/x/{point}/nsc"))}}
	b.Set([]Offer{
		{Plugin: "asx", Listener: "web", Address: addr("0.0.0.0:80"), Documents: docs[:3], Plays: web},
		{Plugin: "msb", Listener: "web", Address: addr("0.0.0.0:80"), Documents: docs[3:]},
		{Plugin: "asx", Listener: "tls", Address: addr("0.0.0.0:443"), TLS: true, Documents: docs},
	})
	p := point.New(point.Options{Name: "a b"}, nil)
	for _, c := range []struct{ asked, want string }{
		{"web", "http://h:80/a%20b.asx http://h:80/x/a%20b/nsc"}, {"tls", "https://h:443/a%20b.asx https://h:443/x/a%20b/nsc"}, {"", "http://h:80/a%20b.asx http://h:80/x/a%20b/nsc"},
	} {
		got := b.Documents(p, "h", c.asked)
		if text := strings.Join(urls(got), " "); text != c.want || got[0].Kind != abi.EndpointDocument || got[0].Rendition != "asx" {
			t.Errorf("%s: %+v", c.asked, got)
		}
	}
}
