package session

import (
	"fmt"
	"os"
	"slices"

	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// Import makes the sessions of a source that another process has exported. They feed
// feed, which is theirs from then on, and so is the connection file; home is the
// connection's listener. On an error nothing has happened, and both stay the caller's.
func (room *Room) Import(x Export, feed *point.Feed, home *netio.Listener, file *os.File) error {
	parent, child, err := room.accepts(x, feed)
	if err != nil {
		return fmt.Errorf("source of point %q: %w", x.Point, err)
	}
	duplicate, err := again(file)
	if err != nil {
		return fmt.Errorf("source of point %q: %w", x.Point, err)
	}
	c, err := home.Adopt(x.Conn, duplicate)
	if err != nil {
		return fmt.Errorf("source of point %q: %w", x.Point, err)
	}
	if err := feed.Pass(parent.name + " " + x.Parent.Name); err != nil {
		c.Close()
		return fmt.Errorf("source of point %q: %w", x.Point, err)
	}
	_ = file.Close()
	format := child.adopt(kindFormat, x.Child, x.Point)
	as := kindRaw
	if x.Request != nil {
		as = kindExchange
	}
	source := parent.adopt(as, x.Parent, x.Point)
	format.link().feed, format.link().parent, format.link().network = feed, source, source.network()
	source.link().child = format
	source.conns[0].net = c
	if x.Request != nil {
		source.link().x = newExchange(home.AdoptExchange(*x.Request), source)
		source.links.x.conn = c
		close(source.links.x.done)
	}
	if x.Parent.Input.Through {
		source.conns[0].in.through = format.conns[0].in
	}
	child.receive(format, x.Child)
	parent.receive(source, x.Parent)
	room.beginIntake(source, as)
	room.log.Info("source moved here", "point", x.Point, "source", feed.Owner(), "unconsumed", len(x.Parent.Input.Bytes)+len(x.Child.Input.Bytes))
	return nil
}

func (room *Room) beginIntake(s *Session, k kind) {
	c := s.conns[0]
	limit := room.silence(s.on)
	if k == kindRaw {
		limit = 0
	}
	reader := newIntake(c.net, c.in, limit)
	reader.into(room.point(s.on), &room.sources.read)
	c.reader = reader
	room.readers.Go(reader.run)
}

// accepts says whether the plugins that run can take a source over.
func (room *Room) accepts(x Export, feed *point.Feed) (parent, child *Runner, err error) {
	p := feed.Point()
	if parent, err = room.taker(&x.Parent); err != nil {
		return nil, nil, err
	}
	if child, err = room.taker(&x.Child); err != nil {
		return nil, nil, err
	}
	switch {
	case p.Name() != x.Point || room.point(x.Point) != p:
		return nil, nil, fmt.Errorf("the feed is of point %q", p.Name())
	case !p.Options().IsPush():
		return nil, nil, point.ErrNotPush
	case !parent.grant.Load().publishes(x.Point):
		return nil, nil, fmt.Errorf("plugin %s may not publish there by this configuration", parent.name)
	case feed.Rendition() == nil || feed.Rendition().Name() != x.Rendition:
		return nil, nil, fmt.Errorf("the feed has no rendition %s", x.Rendition)
	}
	for _, name := range append(slices.Clone(x.Parent.Watched), x.Child.Watched...) {
		if room.point(name) == nil {
			return nil, nil, fmt.Errorf("there is no point %q, which it watches", name)
		}
	}
	return parent, child, nil
}

// taker gives the running plugin that takes a session over.
func (room *Room) taker(x *Exported) (*Runner, error) {
	r := room.Runner(x.Plugin)
	if r == nil || !r.State().Works() || r.Generation() == nil {
		return nil, fmt.Errorf("the plugin %s does not run", x.Plugin)
	}
	now := r.Generation().Manifest().State
	if len(x.Blob) > 0 && x.Schema != now.Schema && !slices.Contains(now.Accepts, x.Schema) {
		return nil, fmt.Errorf("the plugin %s reads state %q, not %q", x.Plugin, now.Schema, x.Schema)
	}
	return r, x.Input.check()
}

// again duplicates a descriptor.
func again(f *os.File) (*os.File, error) {
	fd, err := duplicateFD(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// adopt makes a session of one that was exported. Nobody knows it yet.
func (r *Runner) adopt(k kind, x Exported, on string) *Session {
	s := r.newSession(k, x.Name)
	s.born, s.on, s.blob, s.schema = x.Born.Sub(r.room.started), on, x.Blob, x.Schema
	if x.User != "" {
		s.link().user = x.User
	}
	in := newInlet(s.markReady)
	in.restore(x.Input)
	s.conns = []*conn{{number: max(x.Conn, 1), in: in, retain: x.Input.Retain, keeps: x.Input.Keeps}}
	r.adoptKeys(s, &x)
	return s
}

// receive makes an adopted session one of the runner's: it is told of what has changed,
// and goes on.
func (r *Runner) receive(s *Session, x Exported) {
	s.w.add(s)
	s.w.post(func() {
		if s.inbox.over.Load() {
			return
		}
		for id, after := range x.Timers {
			s.setTimer(id, after)
		}
		for _, name := range x.Watched {
			if p := r.room.point(name); p != nil {
				s.watch(p)
			}
		}
		s.markReady()
	})
}
