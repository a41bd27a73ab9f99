package session

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/journal"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// The functions of this file tell the journal what happens to sessions. Without a reader
// they do nothing, and they are called once for a session's steps, never for a packet.

// note gives what is told of every session.
func (s *Session) note(k journal.Kind) journal.Event {
	return journal.Event{Kind: k, Point: s.on, Plugin: s.r.name, Session: s.id, Peer: s.name()}
}

// connected tells of a session that a peer has opened. Called by whoever has made it,
// before any other has it.
func (s *Session) connected(listener string) {
	if j := s.r.room.options.Journal; j.Heard() {
		e := s.note(journal.Connect)
		e.Listener = listener
		j.Tell(e)
	}
}

// client gives what a session's peer has said of itself, as long as its request is there,
// and how it is reached by a connection; nil: by the first. It is nil while nobody reads of
// it. Worker.
func (s *Session) client(own *conn) *journal.Client {
	if !s.r.room.options.Journal.Heard() {
		return nil
	}
	if x := s.links.x; x != nil && x.x != nil && x.x.Request != nil {
		return requester(x.x)
	}
	c := &journal.Client{Protocol: s.r.name, Transport: "TCP"}
	if own == nil && len(s.conns) > 0 {
		own = s.conns[0]
	}
	switch {
	case own == nil:
	case own.flow != nil:
		c.Transport, c.Local = "UDP", own.flow.Local().String()
	case own.net != nil:
		c.Local = own.net.Local().String()
	}
	return c
}

// requester gives what an HTTP request says of who sent it.
func requester(x *netio.Exchange) *journal.Client {
	h := x.Request.Header
	return &journal.Client{Path: journal.Clip(x.Request.URL.Path), UserAgent: journal.Clip(h.Get("User-Agent")), Referer: journal.Clip(h.Get("Referer")),
		Language: journal.Clip(h.Get("Accept-Language")), Player: playerID(h["Pragma"]), Local: x.Local.String(), Protocol: "http", Transport: "TCP"}
}

// playerID finds the id that a Windows Media player gives itself (MS-WMSP 2.2.1.7.27,
// wire digest §1.2); empty if there is none.
func playerID(pragmas []string) string {
	for _, line := range pragmas {
		for token := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(token), "=")
			if strings.EqualFold(name, "xClientGUID") {
				return journal.Clip(value)
			}
		}
	}
	return ""
}

// plays tells that a viewer's delivery begins. Worker, before it does.
func (s *Session) plays(to *point.Rendition, who *journal.Client) {
	if who == nil {
		return
	}
	e := s.note(journal.Play)
	e.Point, e.Rendition, e.Client = to.Point().Name(), to.Name(), who
	s.r.room.options.Journal.Tell(e)
}

// stopped tells that a viewer's delivery has ended. A delivery worker calls it.
func (v *view) stopped(of *point.Rendition, st deliver.Stats, why string) {
	j := v.r.room.options.Journal
	if !j.Heard() {
		return
	}
	s := v.session()
	j.Tell(journal.Event{Kind: journal.Stop, Point: of.Point().Name(), Plugin: s.r.name, Session: s.id, Peer: s.peer.String(), Rendition: of.Name(), Reason: why,
		Traffic: &journal.Traffic{Seconds: s.age().Seconds(), BytesOut: st.Bytes, Packets: st.Packets, Dropped: st.DroppedPackets}})
}

// age is how long the session has been there.
func (s *Session) age() time.Duration { return s.r.room.now().Sub(s.r.room.started) - s.born }

// reportType is what players' reports are (MS-WMSP 2.2.1.4).
const reportType = "application/x-wms-logstats"

// answered tells what came of a request that made no viewer: a report, or one about a
// point. Worker.
func (s *Session) answered(status int) {
	j := s.r.room.options.Journal
	x := s.links.x
	if !j.Heard() || x == nil || x.x == nil || x.x.Request == nil {
		return
	}
	q := x.x.Request
	if q.Method == http.MethodPost && isReport(q.Header.Get("Content-Type")) && status < http.StatusMultipleChoices {
		e := s.note(journal.Log)
		e.Client = requester(x.x)
		j.Tell(e)
		return
	}
	isQuestion := (q.Method == http.MethodGet || q.Method == http.MethodHead) && s.links.child == nil
	switch {
	case !isQuestion || s.on == "":
	case status < http.StatusMultipleChoices:
		e := s.note(journal.Describe)
		e.Client = requester(x.x)
		j.Tell(e)
	case status == http.StatusServiceUnavailable:
		if l := s.r.room.keptOut(s.on, s.r.room.now()); l != point.NoLimit {
			s.limited(l)
		}
	}
}

// isReport tells whether a body of this type is a player's report.
func isReport(mediaType string) bool {
	name, _, _ := strings.Cut(mediaType, ";")
	return strings.EqualFold(strings.TrimSpace(name), reportType)
}

// keptOut gives a limit that viewers of a point meet now.
func (room *Room) keptOut(on string, now time.Time) point.Limit {
	p := room.point(on)
	if p == nil {
		return point.NoLimit
	}
	for _, r := range p.Snapshot().Renditions {
		if l := r.KeepsOut(now); l != point.NoLimit {
			return l
		}
	}
	return point.NoLimit
}

// limited tells that a limit keeps a viewer out, once for a session: one whose ATTACH was
// refused is answered too. Worker.
func (s *Session) limited(l point.Limit) {
	if j := s.r.room.options.Journal; j.Heard() && !s.limitTold {
		s.limitTold = true
		e := s.note(journal.Limit)
		e.What, e.Reason = "limits."+l.Key(), (&point.FullError{Limit: l}).Error()
		e.Client = s.client(nil)
		j.Tell(e)
	}
}

// refusedBy is the limit that an error stands for.
func refusedBy(err error) point.Limit {
	if full, ok := errors.AsType[*point.FullError](err); ok {
		return full.Limit
	}
	return point.NoLimit
}

// begins tells that a session feeds a point from now on. Worker.
func (s *Session) begins(f *point.Feed, child *Session) {
	who := s.client(nil)
	if who == nil {
		return
	}
	plugin, peer, _ := strings.Cut(f.Owner(), " ")
	s.r.room.options.Journal.Tell(journal.Event{Kind: journal.Source, What: "begin", Point: f.Point().Name(), Plugin: plugin, Session: child.id, Peer: peer,
		Rendition: f.Rendition().Name(), Client: who})
}

// left tells that a session feeds its point no more. Worker.
func (s *Session) left(why string) {
	j := s.r.room.options.Journal
	if !j.Heard() {
		return
	}
	f := s.links.feed
	plugin, peer, _ := strings.Cut(f.Owner(), " ")
	e := journal.Event{Kind: journal.Source, What: "end", Point: f.Point().Name(), Plugin: plugin, Session: s.id, Peer: peer, Reason: why,
		Traffic: &journal.Traffic{Seconds: s.age().Seconds()}}
	if len(s.conns) > 0 && s.conns[0].in != nil {
		e.Traffic.BytesIn = s.conns[0].in.total()
	}
	if r := f.Rendition(); r != nil {
		e.Rendition = r.Name()
	}
	j.Tell(e)
}

// tellPlugin tells of a plugin. It may be called by any goroutine.
func (r *Runner) tellPlugin(what, why string) {
	r.room.options.Journal.Tell(journal.Event{Kind: journal.Plugin, What: what, Plugin: r.name, Reason: why})
}

// tellFault tells of a fault, and of the network that is put aside for it.
func (r *Runner) tellFault(f *FaultReport) {
	j := r.room.options.Journal
	if !j.Heard() {
		return
	}
	j.Tell(journal.Event{Kind: journal.Plugin, What: "fault", Plugin: r.name, Session: f.Session, Peer: f.Peer, Point: f.Point, Reason: journal.Clip(f.Fault.Error())})
	if f.Network.IsValid() {
		r.tellPlugin("throttled", fmt.Sprintf("sessions of %v are put aside", f.Network))
	}
}
