package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }

func FuzzPlaylist(f *testing.F) {
	f.Add("live", "mms://h/live", "http://h/live?a&b")
	f.Add("]]>\xff\x00", "\"'<", "&amp;")
	f.Fuzz(func(t *testing.T, name, first, second string) {
		var e abi.DocumentRequest
		e.Point.Name = []byte(name)
		e.Endpoints.Add(abi.Endpoint{URL: []byte(first)})
		e.Endpoints.Add(abi.Endpoint{URL: []byte(second)})
		b, refs := playlist(nil, &e)
		if refs != 2 || !strings.HasPrefix(string(b), "<asx version") || !utf8.Valid(b) {
			t.Fatalf("%d references in %q", refs, b)
		}
		d := xml.NewDecoder(strings.NewReader(string(b)))
		var elements []string
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %q", err, b)
			}
			if s, ok := tok.(xml.StartElement); ok {
				elements = append(elements, s.Name.Local)
			}
		}
		want := "asx title entry title ref ref"
		if name == "" {
			want = "asx entry ref ref"
		}
		if got := strings.Join(elements, " "); got != want {
			t.Errorf("elements %s in %q; want %s", got, b, want)
		}
	})
}
