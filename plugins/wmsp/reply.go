package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// player is the connection of an HTTP exchange.
const player = 1

// serverName is a version that MS-WMSP 2.2.1.5 allows; players look at the name.
const serverName = "Cougar/9.6.7600.16385"

// head gives the header fields of every answer.
func head(v *sdk.Verdicts) *sdk.Fields {
	f := v.Fields()
	f.Add("Server", serverName)
	f.Add("Cache-Control", "no-cache")
	f.Add("Pragma", "no-cache")
	return f
}

// empty gives the header fields of an answer without a body.
func empty(v *sdk.Verdicts, client uint32) *sdk.Fields {
	f := head(v)
	f.Add("Pragma", "client-id="+strconv.FormatUint(uint64(client), 10))
	return f
}

// stream gives the header fields of an answer with media. Live streams are "broadcast"
// and never "seekable" (wire digest §1.2: libmms looks for the latter first).
func stream(v *sdk.Verdicts, client uint32, contentType string) *sdk.Fields {
	f := empty(v, client)
	f.Add("Pragma", `features="broadcast"`)
	f.Add("Content-Type", contentType)
	return f
}

// answerDescribe sends the $H chunk with its length and closes (MS-WMSP 2.2.2.1:
// never chunked; libmms and VLC read to the end of the connection).
func answerDescribe(s *session, e *abi.HTTPRequest, v *sdk.Verdicts) {
	f := stream(v, s.client, "application/vnd.ms.wms-hdr.asfv1")
	p := v.Pieces()
	p.RenditionHeader(e.Point.Name, rendition)
	v.Respond(200, abi.ResponseClose, f, p)
}

// answerPlay sends $H again and then $D after $D (MS-WMSP 2.2.2.6). When the header
// changes, players that know $E 1 come back by themselves; $C would break most of them
// (wire digest §1.6).
func (p *plugin) answerPlay(s *session, e *abi.HTTPRequest, v *sdk.Verdicts) {
	s.doing = playing
	v.Respond(200, abi.ResponseClose, stream(v, s.client, "application/x-mms-framed"), nil)
	next, done := asf.EndChunk(asf.ReasonNext), asf.EndChunk(asf.ReasonDone)
	v.Attach(abi.Attach{
		Conn:        player,
		Point:       e.Point.Name,
		Rendition:   sdk.Bytes(rendition),
		Mode:        p.startMode(),
		Back:        p.fastStart,
		OnLag:       abi.LagSkip,
		OnChange:    abi.AfterClose,
		ChangeBytes: next[:],
		OnEnd:       abi.AfterClose,
		EndBytes:    done[:],
		WithHeader:  1,
	}, nil)
}

func (p *plugin) startMode() abi.StartMode {
	if p.fastStart > 0 {
		return abi.StartBurst
	}
	return abi.StartKey
}
