package multicast

import (
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
)

// State is what a sender is doing.
type State string

// The states.
const (
	Sending State = "sending"
	Waiting State = "waiting" // for the rendition
	Paused  State = "paused"  // the destination refuses or cannot be reached; it is tried again
	Failed  State = "failed"  // it cannot be sent to as configured; it is tried again
)

// By is whose viewers a pool's senders are.
const By = "multicast"

const noRendition = "the point has no such rendition yet"

// leastRetry and mostRetry bound the pause before a sender that could not be attached is
// tried again; it doubles. Chosen, as of a destination that refuses.
const (
	leastRetry = time.Second
	mostRetry  = 30 * time.Second
)

// Status is a sender at one moment.
type Status struct {
	Destination
	State     State
	Reason    string // why not Sending; empty if it is
	Remedy    string // of Failed
	Since     time.Time
	Bytes     uint64
	Datagrams uint64
	Dropped   uint64 // datagrams that could not be sent
	Skipped   uint64 // packets left out because of lag
	Retries   uint64 // times that it was tried again
}

// sender sends one rendition to one destination. The room's lock guards it.
type sender struct {
	Destination
	room   *Room
	dirty  bool
	viewer *deliver.Viewer // nil while it waits
	state  State           // Waiting or Failed without a viewer
	reason string
	since  time.Time
	retry  time.Time // zero: when something changes
	pause  time.Duration
	before counts // of viewers before the present one
}

type counts struct{ bytes, datagrams, dropped, skipped, retries uint64 }

// Changed has the loop look at the point.
func (s *sender) Changed(*point.Point) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.room.mark(s)
}

// look attaches the sender if it is not and its rendition is there.
func (s *sender) look(now time.Time) {
	if s.viewer != nil || s.retry.After(now) {
		return
	}
	s.retry = time.Time{}
	r, err := s.Point.Rendition(s.Rendition)
	if err != nil || r.Log.Header() == nil || r.Log.Ended() {
		s.rest(Waiting, noRendition)
		return
	}
	if err := s.attach(r); err != nil {
		s.pause = min(max(2*s.pause, leastRetry), mostRetry)
		s.retry = now.Add(s.pause)
		if why := err.Error(); s.state != Failed || s.reason != why {
			s.rest(Failed, why)
			s.room.options.Log.Warn("multicast failed; it is tried again", "point", s.Point.Name(), "to", s.To, "error", err, "remedy", s.remedy())
		}
		return
	}
	s.state, s.reason, s.since, s.pause = Sending, "", now, 0
	s.room.options.Log.Info("multicast begins", "point", s.Point.Name(), "rendition", s.Rendition, "to", s.To)
}

func (s *sender) rest(state State, why string) {
	if s.state != state || s.reason != why {
		s.state, s.reason, s.since = state, why, time.Now()
	}
}

// remedy says what to do about a destination that failed.
func (s *sender) remedy() string {
	if s.Interface != "" {
		if _, err := net.InterfaceByName(s.Interface); err != nil {
			return "there is no interface " + s.Interface + "; bring it up, or write interface: with one that `ip link` shows"
		}
	}
	return "name the interface that leads there (interface: eth0), or give the system a route to " + s.To.Addr().String()
}

func (s *sender) attach(r *point.Rendition) error {
	o := s.Point.Options()
	cursor := r.Log.Cursor(stream.Start{Mode: stream.StartKey})
	a := deliver.AttachUDP{
		Attach: deliver.Attach{
			Log: r.Log, Cursor: cursor, MaxLag: o.MaxLag, Latency: o.Latency, BurstRate: o.BurstRate,
			OnEnd: deliver.Rule{Mode: deliver.Close}, Sink: (*ending)(s), By: By,
		},
		To: s.To, Segment: r.Datagram(), Lasting: true,
		Socket: deliver.UDPSocket{TTL: s.TTL, Interface: s.Interface, Quiet: s.To.Addr().IsMulticast() && !s.Loopback},
	}
	if addr := s.To.Addr(); addr.Is6() && s.Interface != "" && (addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast()) {
		a.To = netipWithZone(s.To, s.Interface)
	}
	if h := cursor.Header(); h != nil && len(h.Bytes) > 0 {
		a.First = [][]byte{h.Bytes}
	}
	v, err := s.room.options.Pool.AttachUDP(a)
	if err == nil {
		s.viewer = v
	}
	return err
}

// stop ends the sender, which is out of the room. With the room's lock.
func (s *sender) stop(why string) {
	s.Point.Unwatch(s)
	if s.viewer == nil {
		return
	}
	s.viewer.Close(deliver.Closed)
	s.room.options.Log.Info("multicast ends", "point", s.Point.Name(), "rendition", s.Rendition, "to", s.To, "why", why)
}

func (s *sender) status() Status {
	c := s.before
	st := Status{Destination: s.Destination, State: s.state, Reason: s.reason, Since: s.since}
	if st.State == "" {
		st.State = Waiting
	}
	if st.State == Failed {
		st.Remedy = s.remedy()
	}
	if s.viewer != nil {
		u := c.add(s.viewer.Stats(), s.viewer)
		if u.Paused {
			st.State, st.Reason = Paused, u.Reason.Error()
		}
	}
	st.Bytes, st.Datagrams, st.Dropped, st.Skipped, st.Retries = c.bytes, c.datagrams, c.dropped, c.skipped, c.retries
	return st
}

func (c *counts) add(st deliver.Stats, v *deliver.Viewer) deliver.UDPState {
	u, _ := v.UDP()
	c.bytes += st.Bytes
	c.skipped += st.DroppedPackets
	c.datagrams += u.Datagrams
	c.dropped += u.Dropped
	c.retries += u.Retries
	return u
}

// ending hears of the viewer's fate, on a worker's goroutine.
type ending sender

// Readable is never called: nothing is read from a destination.
func (*ending) Readable([]byte) {}

// Held is never called: no rule holds the viewer.
func (*ending) Held(deliver.Reason) {}

// Paused logs that the destination cannot be sent to.
func (e *ending) Paused(why syscall.Errno) {
	e.room.options.Log.Warn("multicast paused: the destination is tried again", "point", e.Point.Name(), "to", e.To, "error", why)
}

// Resumed logs that it can be sent to again.
func (e *ending) Resumed() {
	e.room.options.Log.Info("multicast goes on", "point", e.Point.Name(), "to", e.To)
}

// Detached has the loop look for a rendition in the place of the one that ended.
func (e *ending) Detached(st deliver.Stats, why deliver.Reason) {
	s := (*sender)(e)
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.viewer == nil || r.senders[s.Destination] != s {
		return
	}
	s.before.add(st, s.viewer)
	s.viewer = nil
	words := noRendition
	if why != deliver.SourceEnd {
		words = strings.ReplaceAll(why.String(), "_", " ")
	}
	s.rest(Waiting, words)
	r.options.Log.Info("multicast waits", "point", s.Point.Name(), "rendition", s.Rendition, "to", s.To, "why", why.String())
	r.mark(s)
}
