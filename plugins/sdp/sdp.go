package main

import (
	"bytes"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/markup"
)

const mediaType = "application/sdp" // RFC 8866 8.1

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
	group, ok := groupOf(e)
	if !ok {
		return sdk.Fail(abi.ENOENT, "publishing point "+name+" is sent to no group that SDP can describe (multicast: {group: …, rendition: rtp} or mpegts)")
	}
	b := describe(nil, e, &group)
	p := v.Pieces()
	switch string(e.Format) {
	case "sap", "sap-delete":
		h := sapHead(nil, &group, b, string(e.Format) == "sap-delete")
		p.Literal(append(h, b...))
		v.Document("application/sap", 0, p)
		return nil
	}
	p.Literal(b)
	v.Document(mediaType, 0, p)
	return nil
}

// formatOf is what a rendition's datagrams are to SDP: the protocol and the format of a
// media line, and the attribute that goes with them. More than one line VLC does not play,
// so that the pictures' and the sound's packets must come in one transport stream
// (wire digest §6.3).
func formatOf(rendition []byte) (media, attribute string) {
	switch string(rendition) {
	case "rtp":
		return "RTP/AVP 33", "a=rtpmap:33 MP2T/90000\r\n" // RFC 3551 6; RFC 2250
	case "mpegts":
		return "udp 33", "" // RFC 8866 5.14 has a media type here; VLC and ffmpeg read no format after udp but a number
	}
	return "", ""
}

// groupOf is the group to describe: the best that is RTP, else the best that is not.
func groupOf(e *abi.DocumentRequest) (group abi.Endpoint, ok bool) {
	for p := range e.Endpoints.All() {
		media, _ := formatOf(p.Rendition)
		switch {
		case p.Kind != abi.EndpointMulticast || media == "" || len(p.Group) == 0:
		case string(p.Rendition) == "rtp":
			return p, true
		case !ok:
			group, ok = p, true
		}
	}
	return group, ok
}

// describe appends the description (RFC 8866 5, in its order). What is described by another
// number is another session, so that the version of one never changes.
func describe(b []byte, e *abi.DocumentRequest, group *abi.Endpoint) []byte {
	media, attribute := formatOf(group.Rendition)
	rest := session(nil, e, group)
	rest = append(append(append(append(rest, "m=video "...), strconv.FormatUint(uint64(group.Port), 10)...), ' '), media...)
	rest = append(append(rest, "\r\n"...), attribute...)
	b = append(b, "v=0\r\no=- "...)
	b = strconv.AppendUint(b, hash64(rest, group.Local), 10)
	b = address(append(b, " 1 "...), orLoopback(group))
	return append(append(b, "\r\n"...), rest...)
}

// session appends what follows the origin.
func session(b []byte, e *abi.DocumentRequest, group *abi.Endpoint) []byte {
	title := sdk.About(e, "title")
	if len(title) == 0 {
		title = e.Point.Name
	}
	b = line(b, "s=", title)
	if text := sdk.About(e, "abstract"); len(text) > 0 {
		b = line(b, "i=", text)
	}
	if url := further(e); len(url) > 0 {
		b = line(b, "u=", url)
	}
	b = address(append(b, "c="...), group.Group)
	if !isSix(group.Group) { // RFC 8866 5.7: IPv6 has no hops here
		b = strconv.AppendUint(append(b, '/'), uint64(group.TTL), 10)
	}
	return append(b, "\r\nt=0 0\r\na=tool:weir\r\na=recvonly\r\na=type:broadcast\r\n"...)
}

// further is where more about the session is to be had (RFC 8866 5.5): the operator's page,
// the point's, or where it is played otherwise.
func further(e *abi.DocumentRequest) []byte {
	if url := sdk.About(e, "moreinfo"); len(url) > 0 {
		return url
	}
	var first []byte
	for p := range e.Endpoints.All() {
		switch {
		case p.Kind == abi.EndpointDocument && string(p.Rendition) == "html":
			return p.URL
		case p.Kind == abi.EndpointUnicast && first == nil:
			first = p.URL
		}
	}
	return first
}

func line(b []byte, key string, text []byte) []byte {
	return append(markup.AppendLine(append(b, key...), text), "\r\n"...)
}

// address appends network and address types, and the address.
func address(b, a []byte) []byte {
	if isSix(a) {
		return markup.AppendLine(append(b, "IN IP6 "...), a)
	}
	return markup.AppendLine(append(b, "IN IP4 "...), a)
}

func isSix(a []byte) bool { return bytes.IndexByte(a, ':') >= 0 }

// orLoopback is the address that the datagrams come from; where the host does not know it,
// one that says nothing.
func orLoopback(group *abi.Endpoint) []byte {
	switch {
	case len(group.Local) > 0:
		return group.Local
	case isSix(group.Group):
		return []byte("::1")
	}
	return []byte("127.0.0.1")
}

// hash64 is FNV-1a of all parts, made fit for readers whose numbers are signed.
func hash64(parts ...[]byte) uint64 {
	h := uint64(14_695_981_039_346_656_037)
	for _, p := range parts {
		for _, c := range p {
			h = (h ^ uint64(c)) * 1_099_511_628_211
		}
	}
	return h >> 1
}
