package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// form is a wire form in which a point can be had.
type form struct {
	rendition string
	mediaType string
	suffix    string
	onChange  abi.AfterRule
}

// forms in the order in which /POINT prefers them. A player cannot take a second ASF
// header in mid-stream, so its stream ends there; a transport stream repeats its tables
// and goes on.
var forms = [...]form{
	{rendition: "asf", mediaType: "video/x-ms-asf", suffix: ".asf", onChange: abi.AfterClose},
	{rendition: "mpegts", mediaType: "video/mp2t", suffix: ".ts", onChange: abi.AfterContinue}, // RFC 3551 5.7
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
	return sdk.New[sdk.Stateless](p.open, p.event)
}

func (p *plugin) open(o *abi.Open) error {
	p.fastStart = sdk.Config(o.Config).Int("fast_start_ms", defaultFastStartMs) * nanosPerMilli
	return nil
}

func (p *plugin) event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		p.request(e, v)
	case *abi.Refused:
		refused(e, v)
	case *abi.Stop:
		v.Close(0, abi.CloseFlush, "stopped")
	}
	return nil
}

func (p *plugin) request(e *abi.HTTPRequest, v *sdk.Verdicts) {
	f, no, ok := choose(&e.Point, sdk.String(e.Route), sdk.String(e.Path))
	if !ok {
		refuse(v, no)
		return
	}
	h := v.Fields()
	h.Add("Content-Type", f.mediaType)
	h.Add("Cache-Control", "no-store")
	h.Add("Accept-Ranges", "none") // live: there is nothing to go back to
	v.Respond(200, abi.ResponseClose, h, nil)
	if sdk.String(e.Method) == "HEAD" {
		return
	}
	v.Attach(abi.Attach{
		Conn:       viewer,
		Point:      e.Point.Name,
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
