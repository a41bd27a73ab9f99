package announce

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	wmsp = []manifest.Play{{Scheme: "mms", Rank: 20, Rendition: "mmsh"}, {Scheme: "mmsh", Rank: 15, Rendition: "mmsh"}}
	web  = []manifest.Play{{Scheme: "http", Rank: 10, Rendition: "asf"}, {Scheme: "http", Rank: 5, Rendition: "mpegts", Suffix: ".ts"}}
)

func urls(all []Endpoint) (list []string) {
	for _, e := range all {
		list = append(list, e.URL)
	}
	return list
}

func TestEmptyBook(t *testing.T) {
	var b Book
	if got := b.Endpoints(point.New(point.Options{Name: "live"}, nil), "", ""); len(got) != 0 {
		t.Error(got)
	}
}

// TestTLS: on a listener with TLS http becomes https, and what cannot be had there is
// not offered.
func TestTLS(t *testing.T) {
	var b Book
	b.Set([]Offer{
		{Plugin: "http", Listener: "web", Address: addr("0.0.0.0:443"), TLS: true, Plays: web},
		{Plugin: "wmsp", Listener: "web", Address: addr("0.0.0.0:443"), TLS: true, Plays: wmsp},
	})
	got := urls(b.Endpoints(point.New(point.Options{Name: "live"}, nil), "tv.example", "web"))
	if want := []string{"https://tv.example:443/live", "https://tv.example:443/live.ts"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWide: an offer on a prefix is for those who have reached the listener.
func TestWide(t *testing.T) {
	var b Book
	b.Set([]Offer{{Plugin: "http", Listener: "wide", Address: addr("10.9.8.0:80"), Wide: true, Plays: web[:1]}})
	p := point.New(point.Options{Name: "live"}, nil)
	for _, c := range []struct{ authority, asked, want string }{{"10.9.8.7", "wide", "http://10.9.8.7:80/live"}, {"10.9.8.7", "web", ""}, {"", "wide", ""}} {
		if got := strings.Join(urls(b.Endpoints(p, c.authority, c.asked)), " "); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// TestRange: of a range, the port that the client has dialled.
func TestRange(t *testing.T) {
	var b Book
	b.Set([]Offer{{Plugin: "http", Listener: "wide", Address: addr("127.0.0.2:20000"), Last: 20999, Plays: web[:1]}})
	p := point.New(point.Options{Name: "live"}, nil)
	for _, c := range []struct{ authority, asked, want string }{
		{"127.0.0.2:20500", "wide", "http://127.0.0.2:20500/live"},
		{"127.0.0.2:21000", "wide", "http://127.0.0.2:20000/live"},
		{"127.0.0.2", "wide", "http://127.0.0.2:20000/live"},
		{"127.0.0.2:20500", "web", "http://127.0.0.2:20000/live"},
	} {
		if got := strings.Join(urls(b.Endpoints(p, c.authority, c.asked)), " "); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// TestOtherAddress: who asked an address is told another listener's own address, if that
// is bound to it alone.
func TestOtherAddress(t *testing.T) {
	one := web[:1]
	for _, c := range []struct{ authority, asked, other, want string }{
		{"127.0.0.2", "127.0.0.2:80", "127.0.0.1:8090", "http://127.0.0.1:8090/live"},
		{"127.0.0.2", "127.0.0.2:80", "0.0.0.0:8090", "http://127.0.0.2:8090/live"},
		{"203.0.113.5", "192.0.2.1:80", "192.0.2.1:8090", "http://203.0.113.5:8090/live"}, // translated
		{"tv.example", "192.0.2.1:80", "192.0.2.2:8090", "http://tv.example:8090/live"},
		{"192.0.2.1", "0.0.0.0:80", "127.0.0.1:8090", ""}, // loopback is for those who came by it
		{"tv.example", "0.0.0.0:80", "127.0.0.1:8090", ""},
		{"localhost", "0.0.0.0:80", "127.0.0.1:8090", "http://localhost:8090/live"},
		{"127.0.0.2", "127.0.0.2:80", "[::1]:8090", "http://[::1]:8090/live"},
		{"192.0.2.1", "0.0.0.0:80", "[::]:8090", ""}, // another family
		{"192.0.2.1", "0.0.0.0:80", "192.0.2.2:8090", "http://192.0.2.2:8090/live"},
	} {
		var b Book
		b.Set([]Offer{{Plugin: "http", Listener: "web", Address: addr(c.asked), Plays: one}, {Plugin: "http", Listener: "alt", Address: addr(c.other), Plays: one}})
		got := urls(b.Endpoints(point.New(point.Options{Name: "live"}, nil), c.authority, "web"))
		if other := strings.Join(got[min(1, len(got)):], " "); len(got) == 0 || other != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// TestOrder: the listener that was asked first, then by rank; equal ones stay in the
// order in which they were offered.
func TestOrder(t *testing.T) {
	var b Book
	b.Set([]Offer{
		{Plugin: "http", Listener: "web", Address: addr("0.0.0.0:80"), Plays: web},
		{Plugin: "wmsp", Listener: "web", Address: addr("0.0.0.0:80"), Plays: wmsp},
		{Plugin: "wmsp", Listener: "alt", Address: addr("192.0.2.7:8080"), Plays: wmsp},
		{Plugin: "wmsp", Listener: "web", Address: addr("[::]:80"), Plays: wmsp}, // the same by name: listed once
	})
	p := point.New(point.Options{Name: "live"}, nil)
	for _, c := range []struct {
		authority, listener string
		want                []string
	}{
		{"tv.example:80", "web", []string{"mms://tv.example:80/live", "mmsh://tv.example:80/live", "http://tv.example:80/live", "http://tv.example:80/live.ts",
			"mms://tv.example:8080/live", "mmsh://tv.example:8080/live"}},
		{"tv.example", "alt", []string{"mms://tv.example:8080/live", "mmsh://tv.example:8080/live", "mms://tv.example:80/live", "mmsh://tv.example:80/live",
			"http://tv.example:80/live", "http://tv.example:80/live.ts"}},
	} {
		if got := urls(b.Endpoints(p, c.authority, c.listener)); !slices.Equal(got, c.want) {
			t.Errorf("%s on %s:\n got %q\nwant %q", c.authority, c.listener, got, c.want)
		}
	}
}

func TestAuthority(t *testing.T) {
	p := point.New(point.Options{Name: "live"}, nil)
	one := []manifest.Play{{Scheme: "mms", Rendition: "mmsh"}}
	for _, c := range []struct{ authority, address, want string }{
		{"", "0.0.0.0:80", "mms://127.0.0.1:80/live"},
		{"", "[::]:80", "mms://[::1]:80/live"},
		{"", "192.0.2.1:1755", "mms://192.0.2.1:1755/live"},
		{"", "[2001:db8::1]:1755", "mms://[2001:db8::1]:1755/live"},
		{"host", "0.0.0.0:81", "mms://host:81/live"},
		{"host:9", "0.0.0.0:81", "mms://host:81/live"},
		{"192.0.2.5:9", "0.0.0.0:81", "mms://192.0.2.5:81/live"},
		{"[2001:db8::5]:9", "[::]:81", "mms://[2001:db8::5]:81/live"},
		{"[2001:db8::5]", "[::]:81", "mms://[2001:db8::5]:81/live"},
		{"2001:db8::5", "[::]:81", "mms://[2001:db8::5]:81/live"},
	} {
		var b Book
		b.Set([]Offer{{Plugin: "wmsp", Listener: "web", Address: addr(c.address), Plays: one}})
		if got := urls(b.Endpoints(p, c.authority, "web")); len(got) != 1 || got[0] != c.want {
			t.Errorf("%q at %s: %q, want %s", c.authority, c.address, got, c.want)
		}
	}
}

// TestHostileAuthority: what a client calls the server is the client's word, and comes
// into documents that others may read.
func TestHostileAuthority(t *testing.T) {
	var b Book
	b.Set([]Offer{{Plugin: "wmsp", Listener: "web", Address: addr("192.0.2.1:80"), Plays: wmsp[:1]}})
	p := point.New(point.Options{Name: "live"}, nil)
	for _, authority := range []string{"a/b", "a b", "a\"><script>", "a@evil.example", "a\r\nX: y", "a%00", "[::1", "a?b", "a#b", "\xff", "a:80:80", strings.Repeat("a", 300)} {
		for _, e := range b.Endpoints(p, authority, "web") {
			u, err := url.Parse(e.URL)
			if err != nil || u.Host != "192.0.2.1:80" || u.Path != "/live" {
				t.Errorf("%q gives %q", authority, e.URL)
			}
		}
	}
}

func TestEscape(t *testing.T) {
	var b Book
	b.Set([]Offer{{Plugin: "wmsp", Listener: "web", Address: addr("192.0.2.1:80"), Plays: []manifest.Play{{Scheme: "http", Rendition: "mpegts", Suffix: ".ts"}}}})
	for _, name := range []string{"live", "a/b", "a b", "ä", "100%", "a?b#c", "a\"b<c>&d", "x;y=z", "-._~"} {
		got := b.Endpoints(point.New(point.Options{Name: name}, nil), "", "web")[0].URL
		u, err := url.Parse(got)
		if err != nil || u.Path != "/"+name+".ts" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(got, "\"<>& ") {
			t.Errorf("%q becomes %q, which is read as %q (%v)", name, got, u.Path, err)
		}
	}
}

// TestOnlyWhatThereIs: once a source has come, what the point does not have is left out.
func TestOnlyWhatThereIs(t *testing.T) {
	var b Book
	b.Set([]Offer{{Plugin: "http", Listener: "web", Address: addr("192.0.2.1:80"), Plays: web}, {Plugin: "wmsp", Listener: "web", Address: addr("192.0.2.1:80"), Plays: wmsp}})
	p := point.New(point.Options{Name: "live"}, nil)
	if n := len(b.Endpoints(p, "", "web")); n != 4 {
		t.Errorf("%d before a source has come", n)
	}
	f, err := p.Publish("test", true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open("mpegts"); err != nil {
		t.Fatal(err)
	}
	got := b.Endpoints(p, "", "web")
	if len(got) != 1 || got[0] != (Endpoint{Plugin: "http", Scheme: "http", URL: "http://192.0.2.1:80/live.ts", Rendition: "mpegts"}) {
		t.Errorf("%+v", got)
	}
}

// TestOneAddressForSeveralForms: it is named once before a source has come, and then as what
// it is.
func TestOneAddressForSeveralForms(t *testing.T) {
	var b Book
	plays := append(slices.Clone(web), manifest.Play{Scheme: "http", Rank: 10, Rendition: "webm"}, manifest.Play{Scheme: "http", Rank: 10, Rendition: "ogg"})
	b.Set([]Offer{{Plugin: "http", Listener: "web", Address: addr("192.0.2.1:80"), Plays: plays}})
	p := point.New(point.Options{Name: "live"}, nil)
	if got := urls(b.Endpoints(p, "", "web")); !slices.Equal(got, []string{"http://192.0.2.1:80/live", "http://192.0.2.1:80/live.ts"}) {
		t.Errorf("%q before a source has come", got)
	}
	f, err := p.Publish("test", true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open("ogg"); err != nil {
		t.Fatal(err)
	}
	got := b.Endpoints(p, "", "web")
	if len(got) != 1 || got[0] != (Endpoint{Plugin: "http", Scheme: "http", URL: "http://192.0.2.1:80/live", Rendition: "ogg"}) {
		t.Errorf("%+v", got)
	}
}

// TestBestFormOfAnAddress: where one address stands for several forms it is that of the
// highest rank, in whatever order they are offered.
func TestBestFormOfAnAddress(t *testing.T) {
	var b Book
	plays := []manifest.Play{{Scheme: "http", Rank: 5, Rendition: "asf"}, {Scheme: "http", Rank: 10, Rendition: "webm"}}
	b.Set([]Offer{{Plugin: "http", Listener: "web", Address: addr("192.0.2.1:80"), Plays: plays}})
	got := b.Endpoints(point.New(point.Options{Name: "live"}, nil), "", "web")
	if len(got) != 1 || got[0].Rendition != "webm" {
		t.Errorf("%+v", got)
	}
}
