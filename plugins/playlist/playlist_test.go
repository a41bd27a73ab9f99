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

// FuzzPlaylist: whatever others wrote, there are two entries and nothing else.
func FuzzPlaylist(f *testing.F) {
	f.Add("live", "mms://h/live", "http://h/live?a&b", "me")
	f.Add("]]>\xff\x00", "\"'<", "&amp;\r\n#EXTM3U", "</creator>")
	f.Fuzz(func(t *testing.T, name, first, second, author string) {
		if name == "" || first == "" || second == "" || author == "" {
			t.Skip("nothing has no element")
		}
		var e abi.DocumentRequest
		e.Point.Name = []byte(name)
		e.About.Add([]byte("author"), []byte(author))
		e.Endpoints.Add(abi.Endpoint{URL: []byte(first)})
		e.Endpoints.Add(abi.Endpoint{URL: []byte(second)})
		b, tracks := m3u(nil, &e)
		if lines := strings.Split(string(b), "\n"); tracks != 2 || len(lines) != 6 || !utf8.Valid(b) {
			t.Errorf("%d tracks in %q", tracks, lines)
		}
		b, tracks = xspf(nil, &e)
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
		if got := strings.Join(elements, " "); tracks != 2 || got != "playlist title creator trackList track location title creator track location title creator" {
			t.Errorf("elements %s in %q", got, b)
		}
	})
}
