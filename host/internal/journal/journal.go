// Package journal is the room of what happens to the server, its points and its peers, as a
// stream of events.
//
// It owns the readers and the bounded queue of each. Events come in from whoever they happen
// to; they go out to the admin API, to webhooks and to the log of sessions. It never waits
// for a reader: one that is slow misses events, and is told how many. It keeps nothing for
// whoever comes later, does nothing while nobody reads, and hears of no packets.
package journal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Kind is what an event is about.
type Kind string

// The kinds.
const (
	Connect  Kind = "connect"  // a peer has opened a session with a plugin
	Describe Kind = "describe" // a peer was told what a point carries, without its media
	Play     Kind = "play"     // a viewer's delivery begins
	Stop     Kind = "stop"     // it has ended
	Log      Kind = "log"      // a player's report
	Limit    Kind = "limit"    // a viewer was kept out by a limit
	Source   Kind = "source"   // of a point: begin, header, end
	Point    Kind = "point"    // its state is another
	Plugin   Kind = "plugin"   // fault, throttled, or its state is another
	Listener Kind = "listener" // open, failed, closed
)

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{Connect, Describe, Play, Stop, Log, Limit, Source, Point, Plugin, Listener}
}

// Event is something that has happened. Fields that say nothing are zero.
type Event struct {
	ID        uint64    `json:"id"` // counts what was told while somebody read
	Time      time.Time `json:"time"`
	Kind      Kind      `json:"kind"`
	What      string    `json:"what,omitempty"` // the phase of a source, the state of a point, plugin or listener, the limit's key
	Point     string    `json:"point,omitempty"`
	Plugin    string    `json:"plugin,omitempty"`
	Listener  string    `json:"listener,omitempty"`
	Session   uint64    `json:"session,omitempty"`
	Peer      string    `json:"peer,omitempty"` // address:port, or what a session without a peer is called
	Rendition string    `json:"rendition,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Client    *Client   `json:"client,omitempty"`
	Traffic   *Traffic  `json:"traffic,omitempty"`
}

// Client is what a peer has said of itself when it came, as far as its protocol has it.
// Texts are the peer's own, cut off at a bound (see Clip).
type Client struct {
	Path      string `json:"path,omitempty"` // that it asked for
	UserAgent string `json:"user_agent,omitempty"`
	Referer   string `json:"referer,omitempty"`
	Language  string `json:"language,omitempty"`
	Player    string `json:"player,omitempty"` // the id that it gives itself
	Local     string `json:"local,omitempty"`  // address:port that it came to
	Protocol  string `json:"protocol,omitempty"`
	Transport string `json:"transport,omitempty"` // TCP, UDP
}

// Traffic is what a session has had when it ended.
type Traffic struct {
	Seconds  float64 `json:"seconds"`
	BytesIn  uint64  `json:"bytes_in,omitempty"`
	BytesOut uint64  `json:"bytes_out,omitempty"`
	Packets  uint64  `json:"packets,omitempty"`
	Dropped  uint64  `json:"dropped_packets,omitempty"`
}

// maxText bounds what is kept of a peer's words, in bytes. Chosen: longer than any player's
// name for itself.
const maxText = 256

// Clip gives a copy of a peer's text that holds on to nothing longer, without what is no
// UTF-8.
func Clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return strings.Clone(s)
}

// Journal passes events on. New makes one, Close ends it. All methods are safe for
// concurrent use; of a nil Journal Tell and Heard are, and do nothing.
type Journal struct {
	now   func() time.Time
	heard atomic.Int32 // readers
	mu    sync.Mutex   // held for the length of an append to each reader's queue

	next    uint64
	readers []*Reader
	closed  bool
}

// New makes a journal; now is its clock.
func New(now func() time.Time) *Journal { return &Journal{now: now} }

// Heard reports whether anybody reads: if not, there is no need to word an event.
func (j *Journal) Heard() bool { return j != nil && j.heard.Load() > 0 }

// Tell passes an event on to all readers that want it. It waits for none of them.
func (j *Journal) Tell(e Event) {
	if j.Heard() {
		j.tell(e) // its event is allocated there
	}
}

func (j *Journal) tell(e Event) {
	e.Time = j.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	e.ID = j.next
	for _, r := range j.readers {
		if r.wants(&e) {
			r.put(&e)
		}
	}
}

// Filter is what a reader wants. Its zero value is everything.
type Filter struct {
	Kinds  []Kind   // empty: all
	Points []string // empty: all; events that are about no point are of none
	Queue  int      // events that wait for the reader; 0: DefaultQueue
	Guest  bool     // Dismiss ends the reader
}

// DefaultQueue is how many events wait for a reader, and MostReaders how many readers there
// may be. Chosen: some seconds of a thousand joins; more readers than people look.
const (
	DefaultQueue = 8192
	MostReaders  = 64
)

// ErrTooMany is the error of a reader too many, ErrClosed that of one who comes too late.
var (
	ErrTooMany = errors.New("as many read the events as may")
	ErrClosed  = errors.New("the journal is closed")
)

// Read makes a reader, which hears what is told from now on. Its Close ends it.
func (j *Journal) Read(f Filter) (*Reader, error) {
	if f.Queue <= 0 {
		f.Queue = DefaultQueue
	}
	r := &Reader{journal: j, filter: f, bell: make(chan struct{}, 1)}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return nil, ErrClosed
	case len(j.readers) >= MostReaders:
		return nil, ErrTooMany
	}
	j.readers = append(j.readers, r)
	j.heard.Store(int32(len(j.readers)))
	return r, nil
}

// Dismiss ends the readers that are guests.
func (j *Journal) Dismiss() { j.end(func(r *Reader) bool { return r.filter.Guest }) }

// Close ends all readers, who still get what waits for them. Nothing is told any more.
func (j *Journal) Close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.end(func(*Reader) bool { return true })
}

func (j *Journal) end(which func(*Reader) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.readers {
		if which(r) {
			close(r.bell)
		}
	}
	j.readers = slices.DeleteFunc(j.readers, which)
	j.heard.Store(int32(len(j.readers)))
}

// Reader is a bounded queue of events. One goroutine uses it, but for Missed and Close.
type Reader struct {
	journal *Journal
	filter  Filter
	bell    chan struct{} // closed when nothing comes any more

	queue  []*Event // the journal's lock guards these
	missed uint64   // since Take has told
	total  uint64   // missed ever
}

func (r *Reader) wants(e *Event) bool {
	return (len(r.filter.Kinds) == 0 || slices.Contains(r.filter.Kinds, e.Kind)) && (len(r.filter.Points) == 0 || slices.Contains(r.filter.Points, e.Point))
}

// put is called with the journal's lock. The event is shared, and nobody changes it.
func (r *Reader) put(e *Event) {
	if len(r.queue) >= r.filter.Queue {
		r.missed++
		r.total++
		return
	}
	r.queue = append(r.queue, e)
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// Take gives up to most events that wait, in their order, and how many were told since the
// last Take and found no room. They must not be changed. It does not wait.
func (r *Reader) Take(most int) (events []*Event, missed uint64) {
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	n := min(most, len(r.queue))
	events = slices.Clone(r.queue[:n])
	if n == len(r.queue) {
		r.queue = nil // it may have been long once
	} else {
		clear(r.queue[:n])
		r.queue = r.queue[n:]
	}
	missed, r.missed = r.missed, 0
	return events, missed
}

// Bell rings when events have come since it rang last, and is closed when none comes any
// more: what is left then Take gives.
func (r *Reader) Bell() <-chan struct{} { return r.bell }

// Next waits for events and gives them as Take does; none when there are no more, or ctx has
// ended.
func (r *Reader) Next(ctx context.Context, most int) (events []*Event, missed uint64) {
	for {
		if events, missed = r.Take(most); len(events) > 0 || missed > 0 {
			return events, missed
		}
		select {
		case _, more := <-r.bell:
			if !more {
				return r.Take(most)
			}
		case <-ctx.Done():
			return nil, 0
		}
	}
}

// Missed is how many events the reader has missed since it began.
func (r *Reader) Missed() uint64 {
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	return r.total
}

// Close ends the reader; it may be called again.
func (r *Reader) Close() { r.journal.end(func(x *Reader) bool { return x == r }) }
