package main

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }

// FuzzPage: whatever others wrote, the elements are the page's own, and no attribute is one
// that does something.
func FuzzPage(f *testing.F) {
	f.Add("live", "mms://h/live", "http://h/live.asx", "all day")
	f.Add("</title><script>alert(1)</script>", "\" onclick=\"x", "'><img src=x>", "\xff\x00&#60;")
	f.Fuzz(func(t *testing.T, name, first, second, abstract string) {
		if abstract == "" {
			t.Skip("nothing has no element")
		}
		var e abi.DocumentRequest
		e.Point.Name = []byte(name)
		e.About.Add([]byte("abstract"), []byte(abstract))
		e.Point.State = abi.PointLive
		e.Point.Renditions.Add(abi.Rendition{Name: []byte("webm"), Generation: 1, Header: []byte("\x1A\x45\xDF\xA3\x87\x42\x82\x84webm\x16\x54\xAE\x6B\x88\xAE\x86\xD7\x81\x01\x83\x81\x01")})
		e.Endpoints.Add(abi.Endpoint{URL: []byte(first), Scheme: []byte("http"), Rendition: []byte("webm")})
		e.Endpoints.Add(abi.Endpoint{URL: []byte(second), Kind: abi.EndpointDocument, Rendition: []byte("asx")})
		b := page(nil, &e)
		if !utf8.Valid(b) {
			t.Errorf("%q", b)
		}
		d := xml.NewDecoder(strings.NewReader(string(b)))
		d.Strict, d.AutoClose = false, xml.HTMLAutoClose
		var elements []string
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %q", err, b)
			}
			s, ok := tok.(xml.StartElement)
			if !ok {
				continue
			}
			elements = append(elements, s.Name.Local)
			for _, a := range s.Attr {
				if s.Name.Local == "a" && a.Name.Local != "href" || s.Name.Local == "video" && !slices.Contains([]string{"controls", "preload", "src"}, a.Name.Local) || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("attribute %s in %q", a.Name.Local, b)
				}
			}
		}
		want := "html head meta meta meta meta style title body h1 p p p video h2 ul li a h2 ul li a"
		if got := strings.Join(elements, " "); got != want {
			t.Errorf("elements %s in %q", got, b)
		}
	})
}

// TestWords: a point that was stopped is not one that has yet to begin.
func TestWords(t *testing.T) {
	for state, want := range map[abi.PointState]string{abi.PointIdle: "Not on air yet.", abi.PointLive: "On air.", abi.PointStopped: "Stopped."} {
		if got := string(words(state)); got != want {
			t.Errorf("%v: %q, want %q", state, got, want)
		}
	}
}
