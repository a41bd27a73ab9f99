package session

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// Candidate is a generation of a plugin that has started aside, with what shall hold
// for the plugin once it is in force. Switch takes it, or Discard ends it.
type Candidate struct {
	runner *Runner
	gen    plugin.Generation
	inst   plugin.Instance
	grant  Grant
	config []byte
}

// Prepare starts an instance of g with a configuration, aside: the plugin goes on as it
// is. The generation is the Candidate's from then on; on an error it stays the caller's.
func (r *Runner) Prepare(g plugin.Generation, grant Grant, config []byte) (*Candidate, error) {
	inst, fault := r.openInstance(g, config)
	if fault != nil {
		return nil, fault
	}
	return &Candidate{runner: r, gen: g, inst: inst, grant: grant, config: bytes.Clone(config)}, nil
}

// Discard ends a Candidate that is not wanted.
func (c *Candidate) Discard() {
	c.inst.Close()
	c.gen.Close()
}

// Switch puts all candidates in force between two events of their plugins, or none:
// all runners stop, each looks whether its sessions can go on, then then is called, and
// if nobody refused, all go on with the new. It gives the sessions that went over. After
// an error the candidates are still the caller's.
func (room *Room) Switch(all []*Candidate, then func() error) (moved []uint64, err error) {
	g := &gate{open: make(chan struct{}), done: make(chan []uint64, len(all))}
	at := make([]chan error, len(all)) // one each: who has ended must not be counted for by another
	for i, c := range all {
		at[i] = make(chan error, 1)
		c.runner.post(func() { g.pass(c, at[i]) })
	}
	for i, c := range all {
		select {
		case no := <-at[i]:
			err = orFirst(err, no)
		case <-c.runner.done:
			err = orFirst(err, fmt.Errorf("plugin %q: server is closing", c.runner.name))
		}
	}
	if err == nil {
		err = then()
	}
	g.isOpen = err == nil
	close(g.open)
	if err != nil {
		return nil, err
	}
	for range all {
		moved = append(moved, <-g.done...)
	}
	for _, c := range all {
		c.runner.log.Info("plugin runs", "version", c.gen.Manifest().Version, "generation", c.gen.Number())
		room.packageAll(c.runner)
	}
	slices.Sort(moved)
	return moved, nil
}

func orFirst(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// gate is where runners wait for each other.
type gate struct {
	open   chan struct{}
	isOpen bool          // written before open is closed
	done   chan []uint64 // sessions that went over
}

// pass tells what the runner finds, waits at the gate and puts the candidate in force if
// it opens. Runner.
func (g *gate) pass(c *Candidate, found chan<- error) {
	r := c.runner
	found <- r.accepts(c.gen)
	<-g.open
	if !g.isOpen {
		return
	}
	var ids []uint64
	for id := range r.sessions {
		ids = append(ids, id)
	}
	r.config = c.config
	r.SetGrant(c.grant)
	r.install(c.gen, c.inst)
	g.done <- ids
}

// Remove ends a plugin's runner and forgets it.
func (room *Room) Remove(name string) {
	var gone *Runner
	all := slices.DeleteFunc(slices.Clone(room.Runners()), func(r *Runner) bool {
		if r.name == name {
			gone = r
		}
		return r.name == name
	})
	room.runners.Store(&all)
	if gone != nil {
		gone.Close()
	}
}

// IDs gives the plugin's sessions.
func (r *Runner) IDs() (all []uint64) {
	r.do(func() {
		for id := range r.sessions {
			all = append(all, id)
		}
	})
	slices.Sort(all)
	return all
}

// EndSource ends whoever feeds a point, in the words of its protocol, and gives the
// sessions that this ends. A point with a URL is started anew at once.
func (room *Room) EndSource(on, why string) (ended []uint64) {
	// The children last: what a source has sent is its format plugin's to finish.
	for _, isChild := range []bool{false, true} {
		for _, r := range room.Runners() {
			r.do(func() { ended = append(ended, r.endSources(on, why, isChild)...) })
		}
	}
	room.sources.forget(on)
	if p := room.point(on); p != nil {
		room.startSource(p)
	}
	slices.Sort(ended)
	return ended
}

func (r *Runner) endSources(on, why string, isChild bool) (ended []uint64) {
	feeds := func(s *Session) bool {
		return s.on == on && (s.kind == kindFormat) == isChild && s.role() != RoleViewer && s.isSource()
	}
	var all []*Session
	for _, s := range r.sessions {
		if feeds(s) {
			all = append(all, s)
			ended = append(ended, s.id)
		}
	}
	if !isChild {
		r.stopAll(abi.StopPoint, why, feeds)
	}
	for _, s := range all {
		r.endWith(s, "source_changed", why)
	}
	return ended
}

// isSource reports whether the session feeds a point, or its child does.
func (s *Session) isSource() bool {
	return s.kind == kindSource || s.links.child != nil || s.links.feed != nil
}

// forget has a point's source start as if it had never failed.
func (s *sources) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.timers[name]; t != nil {
		t.Stop()
	}
	delete(s.wait, name)
	delete(s.active, name)
}

// Starts tells whether a running plugin starts sources with this URL.
func (room *Room) Starts(url string) bool {
	scheme, _, _ := strings.Cut(url, ":")
	return room.starter(scheme) != nil
}

// SetConfig replaces the configuration, JSON, that instances are told from now on.
func (r *Runner) SetConfig(config []byte) { r.do(func() { r.config = bytes.Clone(config) }) }
