package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/markup"
)

const mediaType = "text/html; charset=utf-8"

func newPlugin() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }

func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.DocumentRequest:
		return document(e, v)
	case *abi.Stop:
		v.Close(0, abi.CloseFlush, "stopped")
	}
	return nil
}

func document(e *abi.DocumentRequest, v *sdk.Verdicts) error {
	if e.Point.State == abi.PointUnknown {
		return sdk.Fail(abi.ENOENT, "no publishing point "+strconv.Quote(sdk.String(e.Point.Name)))
	}
	p := v.Pieces()
	p.Literal(page(nil, e))
	v.Document(mediaType, 0, p)
	return nil
}

// head forbids whatever the page does not have itself, so that text which should ever become
// markup would still do nothing.
const (
	head = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; `
	style = `style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<style>body{font:1rem/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}code{font-size:.9rem}video{width:100%}</style>
<title>`
)

// page appends the document.
func page(b []byte, e *abi.DocumentRequest) []byte {
	element, url := player(e)
	if b = append(b, head...); element != "" {
		b = append(b, mediaPolicy...)
	}
	b = markup.Append(append(b, style...), sdk.Title(e))
	b = markup.Append(append(b, "</title>\n</head>\n<body>\n<h1>"...), sdk.Title(e))
	b = append(b, "</h1>\n"...)
	b = markup.AppendElement(b, "", "p", sdk.About(e, "abstract"), "\n")
	b = markup.AppendElement(b, "", "p", words(e.Point.State), "\n")
	b = playing(b, element, url)
	b = list(b, e, "Open in a player", isDocument)
	b = list(b, e, "Addresses of the stream", isStream)
	b = list(b, e, "Multicast", isGroup)
	if url := sdk.About(e, "moreinfo"); len(url) > 0 {
		b = link(append(b, "<p>"...), url, []byte("More about it"))
		b = append(b, "</p>\n"...)
	}
	b = markup.AppendElement(b, "", "p", sdk.About(e, "author"), "\n")
	b = markup.AppendElement(b, "", "p", sdk.About(e, "copyright"), "\n")
	return append(b, "</body>\n</html>\n"...)
}

// words say what a point is doing to somebody who would like to watch it.
func words(s abi.PointState) []byte {
	switch s {
	case abi.PointLive:
		return []byte("On air.")
	case abi.PointFailed:
		return []byte("Out of order at present.")
	case abi.PointDraining:
		return []byte("Ending.")
	case abi.PointStopped:
		return []byte("Stopped.")
	}
	return []byte("Not on air yet.")
}

// list appends a heading and the endpoints of one sort, or nothing if there are none.
func list(b []byte, e *abi.DocumentRequest, heading string, is func(e *abi.DocumentRequest, p *abi.Endpoint) bool) []byte {
	n := 0
	for p := range e.Endpoints.All() {
		if !is(e, &p) {
			continue
		}
		if n++; n == 1 {
			b = append(append(append(b, "<h2>"...), heading...), "</h2>\n<ul>\n"...)
		}
		b = append(b, "<li>"...)
		b = entry(b, &p)
		b = append(b, "</li>\n"...)
	}
	if n > 0 {
		b = append(b, "</ul>\n"...)
	}
	return b
}

// entry links what a browser can hand to a player; a group's URL none knows.
func entry(b []byte, p *abi.Endpoint) []byte {
	switch p.Kind {
	case abi.EndpointDocument:
		b = link(b, p.URL, p.Rendition)
		if s := playersOf(p.Rendition); s != "" {
			b = append(append(b, ": "...), s...)
		}
		return b
	case abi.EndpointMulticast:
		b = markup.Append(append(b, "<code>"...), p.URL)
		return markup.Append(append(b, "</code> "...), p.Rendition)
	}
	b = link(b, p.URL, p.URL)
	return markup.Append(append(b, ' '), p.Rendition)
}

// playersOf says who opens a document.
func playersOf(format []byte) string {
	switch string(format) {
	case "asx", "wvx", "wax":
		return "Windows Media Player, VLC, mplayer"
	case "nsc":
		return "Windows Media Player, by multicast"
	case "m3u":
		return "VLC, mpv and most others"
	case "xspf":
		return "VLC and others"
	case "sdp":
		return "ffmpeg, GStreamer, VLC, by multicast"
	}
	return ""
}

// isDocument leaves out the page itself, and what leads to groups where there are none.
func isDocument(e *abi.DocumentRequest, p *abi.Endpoint) bool {
	if p.Kind != abi.EndpointDocument {
		return false
	}
	switch string(p.Rendition) {
	case "html":
		return false
	case "nsc":
		return sdk.HasGroup(e, "msb")
	case "sdp":
		return sdk.HasGroup(e, "rtp") || sdk.HasGroup(e, "mpegts")
	}
	return true
}

func isStream(_ *abi.DocumentRequest, p *abi.Endpoint) bool { return p.Kind == abi.EndpointUnicast }

func isGroup(_ *abi.DocumentRequest, p *abi.Endpoint) bool { return p.Kind == abi.EndpointMulticast }

func link(b, url, text []byte) []byte {
	b = markup.Append(append(b, "<a href=\""...), url)
	b = markup.Append(append(b, "\">"...), text)
	return append(b, "</a>"...)
}
