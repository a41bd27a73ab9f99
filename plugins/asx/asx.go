package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
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
	v.Document("video/x-ms-asf", 0, p)
	return nil
}

// playlist appends the document: one entry whose references are tried from the top
// down (wire digest §6.1). Names are in lower case, which every player accepts; older
// versions of VLC compare the first twelve bytes with "<asx version" as they stand.
func playlist(b []byte, e *abi.DocumentRequest) (_ []byte, refs int) {
	b = append(b, "<asx version=\"3.0\">\r\n  <title>"...)
	b = escape(b, e.Point.Name)
	b = append(b, "</title>\r\n  <entry>\r\n    <title>"...)
	b = escape(b, e.Point.Name)
	b = append(b, "</title>\r\n"...)
	for p := range e.Endpoints.All() {
		b = append(b, "    <ref href=\""...)
		b = escape(b, p.URL)
		b = append(b, "\"/>\r\n"...)
		refs++
	}
	return append(b, "  </entry>\r\n</asx>\r\n"...), refs
}

// escape appends text so that it is text to any reader of XML, in quotes and outside.
// Characters that XML 1.0 (2.2) does not have become "?".
func escape(b, text []byte) []byte {
	for _, r := range sdk.String(text) {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\'':
			b = append(b, "&#39;"...)
		case r < ' ' || r == 0xFFFE || r == 0xFFFF:
			b = append(b, '?')
		default:
			b = append(b, string(r)...)
		}
	}
	return b
}
