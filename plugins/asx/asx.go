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
	b, refs := playlist(nil, e)
	if refs == 0 {
		return sdk.Fail(abi.ENOENT, "no plugin on any listener plays the publishing point "+name)
	}
	p := v.Pieces()
	p.Literal(b)
	v.Document(mediaType(e.Format), 0, p)
	return nil
}

// mediaType is that of the same document under its three names (wire digest §6.1).
func mediaType(format []byte) string {
	switch string(format) {
	case "wvx":
		return "video/x-ms-wvx"
	case "wax":
		return "audio/x-ms-wax"
	}
	return "video/x-ms-asf"
}

// playlist appends the document: one entry whose references are tried from the top
// down (wire digest §6.1). Names are in lower case, which every player accepts; older
// versions of VLC compare the first twelve bytes with "<asx version" as they stand.
func playlist(b []byte, e *abi.DocumentRequest) (_ []byte, refs int) {
	b = append(b, "<asx version=\"3.0\">\r\n"...)
	b = markup.AppendElement(b, "  ", "title", sdk.Title(e), "\r\n")
	b = append(b, "  <entry>\r\n"...)
	b = markup.AppendElement(b, "    ", "title", sdk.Title(e), "\r\n")
	for _, name := range [...]string{"author", "copyright", "abstract"} {
		b = markup.AppendElement(b, "    ", name, sdk.About(e, name), "\r\n")
	}
	if url := sdk.About(e, "moreinfo"); len(url) > 0 {
		b = reference(b, "moreinfo", url)
	}
	for class := range classes {
		for p := range e.Endpoints.All() {
			if classOf(e, &p) == class {
				b = reference(b, "ref", p.URL)
				refs++
			}
		}
	}
	return append(b, "  </entry>\r\n</asx>\r\n"...), refs
}

func reference(b []byte, name string, url []byte) []byte {
	b = append(append(append(b, "    <"...), name...), " href=\""...)
	b = markup.Append(b, url)
	return append(b, "\"/>\r\n"...)
}

// The order in which references are tried: multicast first, then as Windows Media Player
// rolls over (wire digest §6.1, §7.1); what it does not know comes last.
const (
	classMulticast = iota
	classRTSP
	classMMS
	classHTTP
	classOther
	classes

	classNone = -1 // not for this document
)

// classOf puts an endpoint into that order. A group is joined by its .nsc, which is only
// worth a try where one is sent; other groups, and other documents, no Windows Media
// player opens.
func classOf(e *abi.DocumentRequest, p *abi.Endpoint) int {
	switch {
	case p.Kind == abi.EndpointDocument && string(p.Rendition) == "nsc" && sdk.HasGroup(e, "msb"):
		return classMulticast
	case p.Kind != abi.EndpointUnicast:
		return classNone
	}
	switch string(p.Scheme) {
	case "rtsp", "rtspt", "rtspu":
		return classRTSP
	case "mms", "mmst", "mmsu", "mmsh":
		return classMMS
	case "http", "https":
		return classHTTP
	}
	return classOther
}
