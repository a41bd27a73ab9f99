package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/matroska"
	"github.com/weir-media/weir/sdk/ogg"
)

// form is a wire form in which a point can be had.
type form struct {
	rendition string
	mediaType string
	suffix    string
	onChange  abi.AfterRule
	// typeOf, where there is one, tells the media type by the rendition's header, which
	// says whether there are pictures; mediaType is for a header too long to be told.
	typeOf func(header []byte) string
}

// forms in the order in which /POINT prefers them. A player cannot take a second header in
// mid-stream, so its stream ends there; a transport stream repeats its tables and goes on.
var forms = [...]form{
	{rendition: "asf", mediaType: "video/x-ms-asf", suffix: ".asf", onChange: abi.AfterClose},
	{rendition: "mpegts", mediaType: "video/mp2t", suffix: ".ts", onChange: abi.AfterContinue}, // RFC 3551 5.7
	{rendition: "webm", mediaType: "video/webm", suffix: ".webm", onChange: abi.AfterClose, typeOf: matroska.MediaType},
	{rendition: "ogg", mediaType: "application/ogg", suffix: ".ogg", onChange: abi.AfterClose, typeOf: ogg.MediaType}, // RFC 5334 10
}

const (
	viewer = 1 // the connection of an HTTP exchange

	// defaultFastStartMs covers the prebuffering of VLC and browsers (chosen; the same
	// as that of the other players' plugins).
	defaultFastStartMs = 3000
	nanosPerMilli      = 1_000_000
)

// plugin is the configuration of one instance.
type plugin struct {
	fastStart int64 // ns
}

func newPlugin() *sdk.Plugin {
	p := &plugin{}
	return sdk.New(p.open, p.event)
}

func (p *plugin) open(o *abi.Open) error {
	p.fastStart = sdk.Config(o.Config).Int("fast_start_ms", defaultFastStartMs) * nanosPerMilli
	return nil
}

func (p *plugin) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		p.request(s, e, v)
	case *abi.Point:
		p.told(s, e, v)
	case *abi.Refused:
		s.refused(e, v)
	case *abi.Stop:
		v.Close(0, abi.CloseFlush, "stopped")
	}
	return nil
}

func (p *plugin) request(s *state, e *abi.HTTPRequest, v *sdk.Verdicts) {
	f, no, ok := choose(&e.Point, sdk.String(e.Route), sdk.String(e.Path))
	isHead := sdk.String(e.Method) == "HEAD"
	switch {
	case !ok:
		refuse(v, no)
	case f.typeOf != nil: // a request does not bring headers
		*s = state{phase: asking, isHead: isHead, route: append(s.route[:0], f.rendition...)}
		v.Watch(e.Point.Name)
	default:
		p.answer(&f, f.mediaType, e.Point.Name, isHead, v)
	}
}

// told answers the request once the header is known. What is told later changes nothing.
func (p *plugin) told(s *state, e *abi.Point, v *sdk.Verdicts) {
	if s.phase != asking {
		return
	}
	s.phase = answered
	f, no, ok := choose(&e.Summary, sdk.String(s.route), sdk.String(e.Summary.Name))
	if !ok {
		refuse(v, no)
		return
	}
	mediaType := f.mediaType
	if r, _ := e.Summary.Renditions.Find(f.rendition); f.typeOf != nil {
		if t := f.typeOf(r.Header); t != "" {
			mediaType = t
		}
	}
	p.answer(&f, mediaType, e.Summary.Name, s.isHead, v)
}

func (p *plugin) answer(f *form, mediaType string, point []byte, isHead bool, v *sdk.Verdicts) {
	h := v.Fields()
	h.Add("Content-Type", mediaType)
	h.Add("Cache-Control", "no-store")
	h.Add("Accept-Ranges", "none") // live: there is nothing to go back to
	v.Respond(200, abi.ResponseClose, h, nil)
	if isHead {
		return
	}
	v.Attach(abi.Attach{
		Conn:       viewer,
		Point:      point,
		Rendition:  sdk.Bytes(f.rendition),
		Mode:       p.startMode(),
		Back:       p.fastStart,
		OnLag:      abi.LagSkip,
		OnChange:   f.onChange,
		OnEnd:      abi.AfterClose,
		WithHeader: 1,
	}, nil)
}

func (p *plugin) startMode() abi.StartMode {
	if p.fastStart > 0 {
		return abi.StartBurst
	}
	return abi.StartKey
}
