package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }

func request(name, title, url string, local string) (*abi.DocumentRequest, *abi.Endpoint) {
	var e abi.DocumentRequest
	e.Point.Name = []byte(name)
	g := abi.Endpoint{Rendition: []byte("rtp"), Kind: abi.EndpointMulticast, Group: []byte("239.1.2.3"), Port: 5000, TTL: 1, Local: []byte(local)}
	e.Endpoints.Add(g)
	e.Endpoints.Add(abi.Endpoint{Scheme: []byte("http"), URL: []byte(url)})
	if title != "" {
		e.About.Add([]byte("title"), []byte(title))
	}
	return &e, &g
}

// TestIdentity: the same text is the same session and message, and every other another.
func TestIdentity(t *testing.T) {
	seen := map[string]string{}
	for _, c := range [][4]string{
		{"live", "", "http://h:8080/live", "10.0.0.1"}, {"live", "", "http://h:8081/live", "10.0.0.1"}, {"live", "x", "http://h:8080/live", "10.0.0.1"},
		{"tv", "", "http://h:8080/live", "10.0.0.1"}, {"live", "", "http://h:8080/live", "10.0.0.2"},
	} {
		e, g := request(c[0], c[1], c[2], c[3])
		d := describe(nil, e, g)
		if again := describe(nil, e, g); string(again) != string(d) {
			t.Errorf("%q, then %q", d, again)
		}
		head := sapHead(nil, g, d, false)
		id := string(head[2:4])
		if id == "\x00\x00" || seen[id] != "" {
			t.Errorf("%v has the number %x as %s", c, id, seen[id])
		}
		seen[id] = c[2]
		gone := sapHead(nil, g, d, true)
		if gone[0]^head[0] != sapDelete || string(gone[1:]) != string(head[1:]) {
			t.Errorf("deletion %x of %x", gone, head)
		}
		if number := strings.Fields(strings.Split(string(d), "\r\n")[1])[1]; seen[number] != "" {
			t.Errorf("%v has the session of %s", c, seen[number])
		} else {
			seen[number] = c[2]
		}
	}
}

func TestNumberIsNeverZero(t *testing.T) {
	for i := range 1 << 18 {
		if hash16([]byte{byte(i), byte(i >> 8), byte(i >> 16)}) == 0 {
			t.Fatal(i)
		}
	}
}

// FuzzAddress: what the host writes is read as netip reads it.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "255.255.255.255", "::1", "ff15::7", "2001:db8::", "1:2:3:4:5:6:7:8", "::", "1.2.3", "01.2.3.4", "1::2::3", ":1", "1:2:3:4:5:6:7::", "::ffff:1.2.3.4", "+1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := appendAddress(nil, []byte(s))
		want, err := netip.ParseAddr(s)
		switch {
		case err != nil || want.Zone() != "":
			if ok {
				t.Errorf("%q is read as %x", s, got)
			}
		case want.Is4In6() || strings.Contains(s, ":") && strings.Contains(s, "."): // which the host does not write
		case !ok || string(got) != string(want.AsSlice()):
			t.Errorf("%q is read as %x (%v), not %x", s, got, ok, want.AsSlice())
		}
	})
}

// FuzzDescribe: whatever others wrote, there are the same lines.
func FuzzDescribe(f *testing.F) {
	f.Add("live", "The\r\nm=audio 1 RTP/AVP 0", "http://h/\r\n", "10.0.0.1")
	f.Add("\xff", "", "", "fd00::1")
	f.Add("", "\x00", "x", "none\r\n")
	f.Fuzz(func(t *testing.T, name, title, url, local string) {
		e, g := request(name, title, url, local)
		lines := strings.Split(string(describe(nil, e, g)), "\r\n")
		var keys []string
		for _, l := range lines {
			key, _, _ := strings.Cut(l, "=")
			keys = append(keys, key)
			if strings.ContainsAny(l, "\r\n\x00") {
				t.Errorf("line %q", l)
			}
		}
		want := "v o s u c t a a a m a "
		if url == "" {
			want = "v o s c t a a a m a "
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s in %q", got, lines)
		}
		if h := sapHead(nil, g, []byte("x"), false); len(h) != 4+4+len(sapType) && len(h) != 4+16+len(sapType) {
			t.Errorf("head %x", h)
		}
	})
}
