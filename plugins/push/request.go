package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
)

// request takes the body, or says at once why not, so that an encoder that waits for
// 100 Continue sends nothing in vain.
func (s *state) request(e *abi.HTTPRequest, v *sdk.Verdicts) {
	s.point = append(s.point[:0], e.Point.Name...)
	name := sdk.Quote(s.point)
	switch p := &e.Point; {
	case p.State == abi.PointUnknown && len(p.Template) == 0:
		s.refuse(v, 404, "no publishing point has this name; add it to points: in plugins.yaml with source: push, or a template that it fits, or push to one that is there")
	case isSetup(&e.Fields):
		s.refuse(v, 501, "push setup of Windows Media encoders (MS-WMHTTP PushSetup) is not spoken here; enable the plugin wmpush on this listener, or use an encoder that sends the stream with its first POST")
	case p.State == abi.PointDraining:
		s.refuse(v, 503, "point "+name+" is being stopped"+sdk.Because(p.Reason)+"; push again once it runs")
	case p.State == abi.PointStopped:
		s.refuse(v, 503, "point "+name+" is stopped"+sdk.Because(p.Reason)+"; push again once it runs")
	case p.HasSource != 0:
		s.refuse(v, 409, "point "+name+" has a source already; stop that encoder first, or push to another point")
	case isProbe(e):
		s.answer(v, "now send the stream")
	default:
		s.phase = sniffing
		v.Accept(body)
	}
}

// isProbe tells the request without a body by which libshout asks whether it may push at
// all, before the one that brings the stream. Every client of icecast's sends Ice-Public.
func isProbe(e *abi.HTTPRequest) bool {
	if e.Body != abi.BodyNone {
		return false
	}
	for f := range e.Fields.All() {
		if httptext.EqualFold(f.Name, "Ice-Public") {
			return true
		}
	}
	return false
}

// isSetup tells a PushSetup request (MS-WMHTTP 2.2.2.1).
func isSetup(fields *abi.Fields) bool {
	for f := range fields.All() {
		if httptext.EqualFold(f.Name, "Content-Type") {
			return httptext.EqualFold(httptext.MediaType(f.Value), "application/x-wms-pushsetup")
		}
	}
	return false
}
