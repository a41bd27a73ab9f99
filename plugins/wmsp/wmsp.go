package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

const (
	rendition = "mmsh"
	source    = "asf"

	// defaultFastStartMs is the preroll that Windows Media encoders and ffmpeg write
	// into the header (wire digest §8.3): with as much at hand a player starts at once.
	defaultFastStartMs = 3000
	nanosPerMilli      = 1_000_000
)

// plugin is the configuration of one instance.
type plugin struct {
	fastStart int64 // ns
}

func newPlugin() *sdk.Plugin {
	p := &plugin{}
	return sdk.New[session](p.open, p.event)
}

func (p *plugin) open(o *abi.Open) error {
	p.fastStart = sdk.Config(o.Config).Int("fast_start_ms", defaultFastStartMs) * nanosPerMilli
	return nil
}

func (p *plugin) event(s *session, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		p.request(s, e, v)
	case *abi.Data:
		body(s, e, v)
	case *abi.End:
		if s.doing == takingBody {
			s.doing = nothing
			v.Respond(204, 0, empty(v, s.client), nil)
		}
	case *abi.Refused:
		refused(s, e, v)
	case *abi.Stop:
		stop(s, e, v)
	case *abi.Package:
		return pack(e, v)
	case *abi.Packets:
		return packets(e, v)
	}
	return nil
}

// stop tells a player in its own words that nothing follows.
func stop(s *session, e *abi.Stop, v *sdk.Verdicts) {
	if s.doing != playing {
		v.Close(0, abi.CloseFlush, "stopped")
		return
	}
	end := asf.EndChunk(asf.ReasonDone)
	p := v.Pieces()
	p.Literal(end[:])
	v.Write(player, p)
	v.Close(player, abi.CloseFlush, "stopped")
}
