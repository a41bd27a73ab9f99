package main

import (
	"bytes"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

const (
	sender = 1 // the flow of a sender (spec.md §5.3)
	dialed = 2 // the number that a source gives to its flow
)

const (
	retryTimer = 1
	// retryAfter is how long a sender waits that the host refused for another reason
	// than a source that is there already (chosen).
	retryAfter = 10_000_000_000
	// maxOdd is how many datagrams that are neither may come before a source gives up,
	// so that its point says why it has no pictures (chosen).
	maxOdd = 256
)

// plugin is an instance: its configuration.
type plugin struct{ points sdk.Config }

func newPlugin() *sdk.Plugin {
	p := new(plugin)
	return sdk.New(p.open, p.event)
}

func (p *plugin) open(e *abi.Open) error {
	p.points = sdk.Config(e.Config).Object("points")
	return nil
}

func (p *plugin) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	if s.phase == closed {
		return nil
	}
	switch e := e.(type) {
	case *abi.ConnOpen:
		p.flow(s, e)
	case *abi.Start:
		s.phase, s.conn = dialing, dialed
		s.point = append(s.point[:0], e.Point...)
		s.from = append(s.from[:0], e.URL...)
		v.Dial(dialed, s.from, 0)
	case *abi.Dialed:
		s.dialed(e, v)
	case *abi.Datagrams:
		s.datagrams(e, v)
	case *abi.Point:
		s.changed(&e.Summary)
	case *abi.Timer:
		if s.phase == waiting {
			s.phase = sniffing
		}
	case *abi.End:
		s.ended(e, v)
	case *abi.Refused:
		s.refused(e, v)
	case *abi.Stop:
		s.close(v, "stopped"+sdk.Because(e.Text))
	}
	return nil
}

// flow finds the point of a new sender by the port that it sends to.
func (p *plugin) flow(s *state, e *abi.ConnOpen) {
	port := e.Local[bytes.LastIndexByte(e.Local, ':')+1:]
	s.conn = sender
	s.from = append(s.from[:0], e.Remote...)
	point := p.points.Text(string(port), p.points.Text("*", ""))
	if point == "" {
		s.phase = ignored
		s.warn("sends to port " + string(port) + ", for which no point is named; add \"" + string(port) + "\": POINT to config: points: of the plugin in plugins.yaml")
		return
	}
	s.point = append(s.point[:0], point...)
	s.phase = sniffing
}

func (s *state) dialed(e *abi.Dialed, v *sdk.Verdicts) {
	switch e.Code {
	case abi.OK:
		s.phase = sniffing
	case abi.EBUSY:
		s.close(v, string(s.from)+" cannot be received"+sdk.Because(e.Text)+"; another program holds the port")
	default:
		s.close(v, string(s.from)+" cannot be received"+sdk.Because(e.Text))
	}
}

// changed: the point that this sender waits for.
func (s *state) changed(p *abi.PointSummary) {
	if s.phase == waiting && p.HasSource == 0 && p.State != abi.PointDraining {
		s.phase = sniffing
	}
}

// refused: the host did not let the sender publish, or the source dial. A sender is told
// of once, and tried again when its point is free.
func (s *state) refused(e *abi.Refused, v *sdk.Verdicts) {
	text := "cannot feed point " + sdk.Quote(s.point) + sdk.Because(e.Text)
	switch {
	case e.During == abi.OpStop || e.During == abi.OpEnd:
		s.phase = closed
	case e.During == abi.OpStart: // whose state was not kept
		s.close(v, "the point's source cannot be received"+sdk.Because(e.Text))
	case s.conn == dialed:
		s.close(v, string(s.from)+" "+text)
	case e.Code == abi.EBUSY:
		s.phase = waiting
		s.warn(text + "; it is taken when the point is free")
		v.Watch(s.point)
	default:
		s.phase = waiting
		s.warn(text)
		v.SetTimer(retryTimer, retryAfter)
	}
}

// ended: nothing more comes. What waited for its place is fed as it stands.
func (s *state) ended(e *abi.End, v *sdk.Verdicts) {
	if s.phase == ordering {
		s.window.Flush()
		p := v.Pieces()
		if s.pop(p) {
			v.Feed(uint32(s.conn), p)
		}
	}
	if s.conn != dialed {
		s.phase = closed // the session ends by itself
		return
	}
	if e.Reason == abi.EndTimeout {
		s.close(v, "no datagram has come from "+string(s.from)+" for some time; is something sent there, and does it reach this computer?")
		return
	}
	s.close(v, string(s.from)+" cannot be received any more")
}

// close ends a session with all that it holds; the reason reaches logs and status.
func (s *state) close(v *sdk.Verdicts, reason string) {
	s.phase = closed
	v.Close(0, abi.CloseNow, reason)
}

// warn tells the log once why a sender is not heard.
func (s *state) warn(text string) {
	if !s.told {
		sdk.Log(sdk.Warn, string(s.from)+" "+text)
	}
	s.told = true
}
