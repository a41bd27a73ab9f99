package multicast

import (
	"net"
	"net/netip"
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

// States gives all of them.
func States() []State { return []State{Sending, Waiting, Paused, Failed} }

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

// sender sends one rendition to one destination. The room's lock guards it, but for dirty,
// which is the news'.
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
	told   string // the failure that was logged last; empty: none since it was well
	before counts // of viewers before the present one
}

type counts struct{ bytes, datagrams, dropped, skipped, retries uint64 }

// Changed has the loop look at the point.
func (s *sender) Changed(*point.Point) { s.room.mark(s) }

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
		s.fail(err.Error(), now)
		return
	}
	s.state, s.reason, s.since = Sending, "", now
	s.room.options.Log.Info("multicast begins", "point", s.Point.Name(), "rendition", s.Rendition, "to", s.To)
}

// fail has the sender wait before it is tried again.
func (s *sender) fail(why string, now time.Time) {
	if s.state == Sending && now.Sub(s.since) >= mostRetry { // it was well
		s.pause, s.told = 0, ""
	}
	s.pause = min(max(2*s.pause, leastRetry), mostRetry)
	s.retry = now.Add(s.pause)
	s.rest(Failed, why)
	if s.told != why {
		s.told = why
		s.room.options.Log.Warn("multicast failed; it is tried again", "point", s.Point.Name(), "to", s.To, "error", why, "remedy", s.remedy())
	}
}

// left is that the viewer has left the pool: another rendition may take the place of one
// that ended, and another socket that of one whose interface is gone.
func (s *sender) left(d departure, now time.Time) {
	if s.viewer == nil {
		return
	}
	u := s.before.add(d.stats, s.viewer)
	s.viewer = nil
	if d.why == deliver.WriteError && u.Reason != 0 {
		s.fail(u.Reason.Error(), now)
		return
	}
	words := noRendition
	if d.why != deliver.SourceEnd {
		words = strings.ReplaceAll(d.why.String(), "_", " ")
	}
	s.rest(Waiting, words)
	s.room.options.Log.Info("multicast waits", "point", s.Point.Name(), "rendition", s.Rendition, "to", s.To, "why", d.why.String())
	s.look(now)
}

func (s *sender) rest(state State, why string) {
	if s.state != state || s.reason != why {
		s.state, s.reason, s.since = state, why, time.Now()
	}
}

// remedy says what to do about a destination that failed.
func (s *sender) remedy() string {
	if s.Interface != "" {
		switch i, err := net.InterfaceByName(s.Interface); {
		case err != nil:
			return "there is no interface " + s.Interface + "; bring it up, or write interface: with one that `ip link` shows"
		case i.Flags&net.FlagUp == 0:
			return "interface " + s.Interface + " is down; bring it up with `ip link set " + s.Interface + " up`"
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
		a.To = netip.AddrPortFrom(s.To.Addr().WithZone(s.Interface), s.To.Port())
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
	st := Status{Destination: s.Destination, Reason: s.reason, Since: s.since}
	var u deliver.UDPState
	if s.viewer != nil {
		u = c.add(s.viewer.Stats(), s.viewer)
	}
	switch st.State = s.does(u); st.State {
	case Failed:
		st.Remedy = s.remedy()
	case Paused:
		st.Reason = u.Reason.Error()
	}
	st.Bytes, st.Datagrams, st.Dropped, st.Skipped, st.Retries = c.bytes, c.datagrams, c.dropped, c.skipped, c.retries
	return st
}

// does gives the sender's state, of whose viewer, if there is one, u is.
func (s *sender) does(u deliver.UDPState) State {
	switch {
	case u.Paused:
		return Paused
	case s.state == "":
		return Waiting
	}
	return s.state
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

// Detached has the loop hear of it.
func (e *ending) Detached(st deliver.Stats, why deliver.Reason) {
	e.room.departed(departure{(*sender)(e), st, why})
}
