package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/markup"
)

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
	name := strconv.Quote(sdk.String(e.Point.Name))
	if e.Point.State == abi.PointUnknown {
		return sdk.Fail(abi.ENOENT, "no publishing point "+name)
	}
	write, mediaType := m3u, "audio/x-mpegurl"
	if string(e.Format) == "xspf" {
		write, mediaType = xspf, "application/xspf+xml"
	}
	b, tracks := write(nil, e)
	if tracks == 0 {
		return sdk.Fail(abi.ENOENT, "no plugin on any listener plays the publishing point "+name)
	}
	p := v.Pieces()
	p.Literal(b)
	v.Document(mediaType, 0, p)
	return nil
}

// isPlayed tells whether an endpoint is the stream, in a form that a player can open without
// another document. Microsoft's datagrams are not.
func isPlayed(p *abi.Endpoint) bool {
	switch p.Kind {
	case abi.EndpointUnicast:
		return true
	case abi.EndpointMulticast:
		return string(p.Scheme) == "udp" || string(p.Scheme) == "rtp"
	}
	return false
}

// m3u appends one entry for each address; players try the next when one cannot be opened
// (wire digest §6.4). Groups of RTP come last: mpv opens them, and waits forever.
func m3u(b []byte, e *abi.DocumentRequest) (_ []byte, tracks int) {
	b = append(b, "#EXTM3U\n"...)
	for _, isLast := range [...]bool{false, true} {
		for p := range e.Endpoints.All() {
			isRTP := p.Kind == abi.EndpointMulticast && string(p.Scheme) == "rtp"
			if !isPlayed(&p) || isRTP != isLast {
				continue
			}
			b = markup.AppendLine(append(b, "#EXTINF:-1,"...), sdk.Title(e))
			b = markup.AppendLine(append(b, '\n'), p.URL)
			b = append(b, '\n')
			tracks++
		}
	}
	return b, tracks
}

// xspf appends the same in XML (XSPF 1: title, creator, annotation and info of the list;
// location, title and creator of each track, in this order).
func xspf(b []byte, e *abi.DocumentRequest) (_ []byte, tracks int) {
	b = append(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">\n"...)
	b = markup.AppendElement(b, "  ", "title", sdk.Title(e), "\n")
	b = markup.AppendElement(b, "  ", "creator", sdk.About(e, "author"), "\n")
	b = markup.AppendElement(b, "  ", "annotation", sdk.About(e, "abstract"), "\n")
	b = markup.AppendElement(b, "  ", "info", sdk.About(e, "moreinfo"), "\n")
	b = append(b, "  <trackList>\n"...)
	for p := range e.Endpoints.All() {
		if !isPlayed(&p) {
			continue
		}
		b = append(b, "    <track>\n"...)
		b = markup.AppendElement(b, "      ", "location", p.URL, "\n")
		b = markup.AppendElement(b, "      ", "title", sdk.Title(e), "\n")
		b = markup.AppendElement(b, "      ", "creator", sdk.About(e, "author"), "\n")
		b = append(b, "    </track>\n"...)
		tracks++
	}
	return append(b, "  </trackList>\n</playlist>\n"...), tracks
}
