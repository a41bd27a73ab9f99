package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/unframe"
)

const (
	firstConn = 2 // spec.md §8.1: a plugin numbers its connections from 2

	maxURL = 2048 // bytes of a URL that is followed, and of each credential; chosen

	// defaultIdleMs is how long the other side may send nothing (chosen: no live stream
	// pauses so long).
	defaultIdleMs = 10_000
	nanosPerMilli = 1_000_000

	// defaultAgent is what a server names itself to another that it takes a stream from
	// (wire digest §3): it is answered as a player is, and at once.
	defaultAgent = "NSServer/9.5.0.0"
)

// plugin is an instance: its configuration, and scratch space on which no verdict depends.
type plugin struct {
	idle    int64 // ns
	agent   string
	scratch unframe.Scratch
}

func newPlugin() *sdk.Plugin {
	p := &plugin{idle: defaultIdleMs * nanosPerMilli, agent: defaultAgent}
	return sdk.New(p.open, p.event)
}

func (p *plugin) open(e *abi.Open) error {
	c := sdk.Config(e.Config)
	p.idle = c.Int("idle_ms", defaultIdleMs) * nanosPerMilli
	p.agent = c.Text("user_agent", defaultAgent)
	return nil
}

func (p *plugin) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	if s.phase == closed {
		return nil
	}
	switch e := e.(type) {
	case *abi.Start:
		p.start(s, e, v)
	case *abi.Dialed:
		s.dialed(e, v)
	case *abi.HTTPReply:
		p.reply(s, e, v)
	case *abi.Data:
		p.data(s, e, v)
	case *abi.End:
		p.ended(s, e, v)
	case *abi.Refused:
		s.refused(e, v)
	case *abi.Stop:
		s.close(v, "stopped"+sdk.Because(e.Text))
	}
	return nil
}

func (p *plugin) start(s *state, e *abi.Start, v *sdk.Verdicts) {
	s.conn = firstConn
	s.point = append(s.point[:0], e.Point...)
	t, ok := parseTarget(e.URL)
	switch {
	case !ok || len(e.URL) > maxURL:
		s.close(v, "the point's source is no URL that can be pulled; write for example http://encoder:8080, mmsh://server/live or tcp://encoder:5000")
	case t.hasUser && !t.isHTTP():
		s.close(v, "a user and a password have no meaning in a "+t.scheme+": URL; remove them from the point's source")
	default:
		s.ask(p, &t, v, e)
	}
}

// dialed: a tcp: or tls: connection stands, or any has not come about.
func (s *state) dialed(e *abi.Dialed, v *sdk.Verdicts) {
	if e.Conn != s.conn || s.phase != asking {
		return
	}
	hint := ""
	switch e.Code {
	case abi.OK:
		s.phase = sniffing
		return
	case abi.ECLOSED:
		hint = "; is the encoder running, and does it listen there?"
	case abi.EPROTO:
		hint = "; is the URL's scheme right?"
	}
	s.close(v, s.where()+" cannot be reached"+sdk.Because(e.Text)+hint)
}

func (p *plugin) data(s *state, e *abi.Data, v *sdk.Verdicts) {
	if e.Conn != s.conn {
		return
	}
	switch s.phase {
	case sniffing:
		p.sniff(s, e, v)
	case framed:
		p.cut(s, e, v)
	}
}

// ended: nothing more comes. The host dials again by itself, after a while.
func (p *plugin) ended(s *state, e *abi.End, v *sdk.Verdicts) {
	switch {
	case e.Conn != s.conn: // of a request that was answered by another
	case e.Reason == abi.EndTimeout:
		s.close(v, s.where()+" has sent nothing for "+strconv.FormatInt(p.idle/1_000_000_000, 10)+" s")
	case s.phase == sniffing && e.Offset == 0:
		s.close(v, s.where()+" sent nothing")
	case s.phase == sniffing:
		s.close(v, s.where()+" ended after "+strconv.FormatUint(e.Offset, 10)+" bytes, before the stream's beginning was complete"+s.beginning())
	case e.Reason == abi.EndReset:
		s.close(v, s.where()+" broke off")
	default:
		s.close(v, s.where()+" ended the stream")
	}
}

// refused: the host has not done what an answer asked for, and the state is that before it.
func (s *state) refused(e *abi.Refused, v *sdk.Verdicts) {
	switch e.During {
	case abi.OpStart:
		s.close(v, "the point's source cannot be dialled"+sdk.Because(e.Text))
	case abi.OpHTTPReply:
		s.close(v, s.where()+" sends elsewhere, which cannot be dialled"+sdk.Because(e.Text))
	default:
		s.close(v, s.where()+" cannot feed point "+sdk.Quote(s.point)+sdk.Because(e.Text))
	}
}

func (s *state) beginning() string {
	switch s.layout {
	case asf.Plain, asf.FramedMMS, asf.FramedPush:
		return " (an ASF header was expected)"
	}
	return ""
}

// close ends the session with all that it holds; the reason reaches logs and status.
func (s *state) close(v *sdk.Verdicts, reason string) {
	s.phase = closed
	v.Close(0, abi.CloseNow, reason)
}

// where is the URL as people may see it.
func (s *state) where() string {
	if len(s.url) == 0 {
		return "the point's source"
	}
	t := s.target()
	return string(t.append(nil))
}
