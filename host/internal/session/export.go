package session

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
)

// Export is a source that was frozen, in a form that another process understands. The
// bytes of its input are part of it.
type Export struct {
	Point     string              `json:"point"`
	Rendition string              `json:"rendition"`
	Parent    Exported            `json:"parent"`
	Child     Exported            `json:"child"`
	Conn      netio.Moved         `json:"conn"`
	Request   *netio.MovedRequest `json:"request,omitempty"` // nil: a raw connection
}

// Exported is one session.
type Exported struct {
	Plugin  string                   `json:"plugin"`
	Name    string                   `json:"name"`
	User    string                   `json:"user,omitempty"` // who has logged in
	Born    time.Time                `json:"born"`
	Schema  string                   `json:"schema,omitempty"` // of Blob
	Blob    []byte                   `json:"blob,omitempty"`
	Timers  map[uint32]time.Duration `json:"timers,omitempty"` // until they are due
	Watched []string                 `json:"watched,omitempty"`
	Input   Input                    `json:"input"`
	Conn    uint32                   `json:"conn,omitempty"` // number of its connection; 0: 1
	Keys    [][]byte                 `json:"keys,omitempty"`
	Keep    time.Duration            `json:"keep,omitempty"` // of a session with keys
}

// Input is the input of a session's connection: what its plugin has not consumed, and
// what it wants to be kept. The fields are those of inlet.
type Input struct {
	Bytes     []byte   `json:"bytes,omitempty"`
	Base      uint64   `json:"base"`
	Consumed  uint64   `json:"consumed"`
	Retained  uint64   `json:"retained"`
	Seen      uint64   `json:"seen"`
	Progress  bool     `json:"progress,omitempty"`
	Need      int      `json:"need,omitempty"`
	Delimiter []byte   `json:"delimiter,omitempty"`
	Loops     []uint64 `json:"loops,omitempty"`
	Through   bool     `json:"through,omitempty"` // all goes to the child
	Retain    uint64   `json:"retain,omitempty"`
	Keeps     bool     `json:"keeps,omitempty"`
}

// Export describes the source, and gives its connection's descriptor, which is the
// caller's to close. It changes nothing.
func (f *Frozen) Export() (x Export, file *os.File, err error) {
	x.Point, x.Rendition = f.feed.Point().Name(), f.feed.Rendition().Name()
	for s, to := range map[*Session]*Exported{f.parent: &x.Parent, f.child: &x.Child} {
		if !s.w.do(func() { *to, err = s.export() }) {
			err = ErrStays
		}
		if err != nil {
			return x, nil, err
		}
	}
	f.parent.w.do(func() {
		if f.parent.inbox.over.Load() {
			err = fmt.Errorf("%w: it is ending", ErrStays)
			return
		}
		c := f.parent.conns[0].net
		if q := f.parent.links.x; q != nil {
			r := q.x.Pack()
			x.Request = &r
		}
		x.Conn, file, err = c.Pack()
	})
	return x, file, err
}

// export: Worker.
func (s *Session) export() (Exported, error) {
	if s.inbox.over.Load() {
		return Exported{}, fmt.Errorf("%w: it is ending", ErrStays)
	}
	x := Exported{Plugin: s.r.name, Name: s.name(), User: s.links.user, Born: s.since(), Schema: s.schema, Blob: slices.Clone(s.blob), Input: s.conns[0].in.export()}
	x.Input.Retain, x.Input.Keeps = s.conns[0].retain, s.conns[0].keeps
	x.Conn = s.conns[0].number
	if k := s.links.keyed; k != nil {
		x.Keep = k.keep
		for _, key := range k.keys {
			x.Keys = append(x.Keys, []byte(key))
		}
	}
	now := s.r.room.now()
	for id, t := range s.links.timers {
		if x.Timers == nil {
			x.Timers = map[uint32]time.Duration{}
		}
		x.Timers[id] = max(s.w.timers.due(t).Sub(now), 1)
	}
	for _, p := range s.links.watched {
		x.Watched = append(x.Watched, p.Name())
	}
	return x, nil
}

// due gives the time of a timer.
func (t *timers) due(id uint64) time.Time {
	for _, x := range t.heap {
		if x.id == id {
			return x.when
		}
	}
	return time.Time{}
}

func (i *inlet) export() Input {
	i.mu.Lock()
	defer i.mu.Unlock()
	return Input{Bytes: slices.Clone(i.buf), Base: i.base, Consumed: i.consumed, Retained: i.retained, Seen: i.seen, Progress: i.progress,
		Need: i.need.bytes, Delimiter: slices.Clone(i.need.delimiter), Loops: slices.Clone(i.loops), Through: i.through != nil}
}

// check judges input from another process as far as this room relies on it.
func (x *Input) check() error {
	end := x.Base + uint64(len(x.Bytes))
	fine := x.Base <= x.Retained && x.Retained <= x.Consumed && x.Consumed <= end && x.Seen <= end && end >= x.Base &&
		x.Need >= 0 && x.Need <= maxDelivery && len(x.Bytes) <= inletLimit+abi.MaxRetain+2*readSize &&
		slices.IsSorted(x.Loops) && (len(x.Loops) == 0 || x.Loops[0] >= x.Consumed && x.Loops[len(x.Loops)-1] <= end)
	if !fine {
		return fmt.Errorf("input [%d, +%d) consumed to %d, seen to %d, retained from %d: that cannot be", x.Base, len(x.Bytes), x.Consumed, x.Seen, x.Retained)
	}
	return nil
}

// restore puts input into a new inlet.
func (i *inlet) restore(x Input) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.buf, i.base, i.consumed, i.retained, i.seen = x.Bytes, x.Base, x.Consumed, x.Retained, x.Seen
	i.progress, i.need, i.loops = x.Progress, need{x.Need, x.Delimiter}, x.Loops
}

// Plugins names the plugins that a source's sessions are of.
func (x *Export) Plugins() []string {
	return slices.Sorted(maps.Keys(map[string]bool{x.Parent.Plugin: true, x.Child.Plugin: true}))
}
