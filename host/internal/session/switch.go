package session

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// Candidate is a generation of a plugin that has started aside, with what shall hold
// for the plugin once it is in force. Switch takes it, or Discard ends it.
type Candidate struct {
	runner *Runner
	gen    *build
	insts  []plugin.Instance // one for each worker
	grant  Grant
	config []byte
	ends   func()         // the trial before; nil: there was none
	isBack bool           // it was in force before the one that is
	drain  *time.Duration // from then on; nil: as before
}

// Prepare starts the instances of g with a configuration, aside: the plugin goes on as
// it is. Before, one of them must have answered what the generation in force has. The
// generation is the Candidate's from then on; on an error it stays the caller's.
func (r *Runner) Prepare(g plugin.Generation, grant Grant, config []byte) (*Candidate, error) {
	if err := r.canary(g, config); err != nil {
		return nil, r.unborn(g, config, err)
	}
	return r.PrepareUnseen(g, grant, config)
}

// PrepareUnseen is Prepare for a generation that need not have answered anything.
func (r *Runner) PrepareUnseen(g plugin.Generation, grant Grant, config []byte) (*Candidate, error) {
	c := &Candidate{runner: r, gen: (&build{Generation: g}).hold(), grant: grant, config: bytes.Clone(config)}
	if err := c.start(); err != nil {
		return nil, r.unborn(g, config, err)
	}
	return c, nil
}

// start starts an instance for each worker, or none.
func (c *Candidate) start() error {
	for range c.runner.all() {
		inst, fault := c.runner.openInstance(c.gen, c.config)
		if fault != nil {
			c.closeInstances()
			return fault
		}
		c.insts = append(c.insts, inst)
	}
	return nil
}

// Discard ends a Candidate that is not wanted.
func (c *Candidate) Discard() {
	c.closeInstances()
	c.gen.release()
}

func (c *Candidate) closeInstances() {
	for _, inst := range c.insts {
		inst.Close()
	}
	c.insts = nil
}

// Switch puts all candidates in force between two events of their plugins, or none:
// all their workers stop, then then is called, and unless it refuses, all go on with the
// new. Sessions that hold what the new cannot read stay with the old for a while. After an error the candidates are still the caller's.
func (room *Room) Switch(all []*Candidate, then func() error) (went Switched, err error) {
	room.switching.Lock()
	defer room.switching.Unlock()
	g := &gate{open: make(chan struct{})}
	for _, c := range all {
		g.ask(c)
	}
	err = g.gather()
	if err == nil {
		err = then()
	}
	g.isOpen = err == nil
	if g.isOpen {
		for _, c := range all {
			c.enact()
		}
	}
	close(g.open)
	if err != nil {
		return Switched{}, err
	}
	staying := map[*Candidate]int{}
	for _, p := range g.passing {
		if !p.gone {
			x := <-p.done
			went.add(x)
			staying[p.c] += len(x.Stayed)
		}
	}
	for _, c := range all {
		c.closeInstances() // of workers that are gone
		c.runner.log.Info("plugin runs", "version", c.gen.Manifest().Version, "generation", c.gen.Number())
		if n := staying[c]; n > 0 {
			c.runner.log.Info("sessions stay with the generation before", "sessions", n, "for", time.Duration(c.runner.drain.Load()))
		}
		room.packageAll(c.runner)
	}
	for _, c := range all {
		c.retire() // last: a generation's end may take its time
	}
	return went, nil
}

// Switched are the sessions of the plugins that were switched, by what became of them.
type Switched struct {
	Moved  []uint64 // to the new generation; a packager at its next key packet
	Stayed []uint64 // with the old one, since the new does not read what they hold
	Ended  []uint64 // packagers of what the new one does not package
}

func (s *Switched) add(x Switched) {
	s.Moved, s.Stayed, s.Ended = append(s.Moved, x.Moved...), append(s.Stayed, x.Stayed...), append(s.Ended, x.Ended...)
}

// enact has the plugin be what the candidate says, while its workers stand at the gate.
func (c *Candidate) enact() {
	r := c.runner
	old := r.gen.Swap(c.gen)
	r.said.Store(c.gen.Manifest())
	r.blame.pardon(r.room.now())
	r.mu.Lock()
	told := r.config
	r.config = c.config
	r.mu.Unlock()
	if c.isBack {
		c.ends = old.release // the workers may hold it still
	} else {
		c.ends = r.tryOut(old, told)
	}
	r.rolled.Store(nil)
	if c.drain != nil {
		r.SetDrain(*c.drain)
	}
	r.SetGrant(c.grant)
	r.state.Store(&State{Phase: Running})
	r.tellPlugin(string(Running), fmt.Sprintf("version %s, generation %d", c.gen.Manifest().Version, c.gen.Number()))
}

// retire lets go of what the candidate has replaced.
func (c *Candidate) retire() {
	if c.ends != nil {
		c.ends()
	}
}

// gate is where workers wait for each other.
type gate struct {
	open    chan struct{}
	isOpen  bool // written before open is closed
	passing []*passing
}

// passing is one worker on its way through the gate.
type passing struct {
	w     *worker
	c     *Candidate
	ready chan struct{} // closed when it stands at the gate
	gone  bool          // it has ended with its last session
	done  chan Switched
}

// ask has all workers of a plugin come to the gate.
func (g *gate) ask(c *Candidate) {
	for _, w := range c.runner.all() {
		p := &passing{w: w, c: c, ready: make(chan struct{}), done: make(chan Switched, 1)}
		g.passing = append(g.passing, p)
		w.post(func() { g.pass(p) })
	}
}

// gather waits until all stand at the gate.
func (g *gate) gather() (err error) {
	for _, p := range g.passing {
		select {
		case <-p.ready:
		case <-p.w.done:
			if p.gone = !p.c.runner.isClosed(); !p.gone {
				err = fmt.Errorf("plugin %q: server is closing", p.c.runner.name)
			}
		}
	}
	return err
}

// pass waits at the gate and puts the candidate in force if it opens. Worker.
func (g *gate) pass(p *passing) {
	if p.w.isStopped() {
		return
	}
	close(p.ready)
	<-g.open
	if g.isOpen {
		p.done <- p.w.install(p.w.newEra(), p.c.takeInstance())
	}
}

// takeInstance gives one of those that have started, or nil. Any goroutine.
func (c *Candidate) takeInstance() plugin.Instance {
	r := c.runner
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(c.insts) == 0 {
		return nil
	}
	inst := c.insts[len(c.insts)-1]
	c.insts = c.insts[:len(c.insts)-1]
	return inst
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
	r.each(func(w *worker) {
		for id := range w.sessions {
			all = append(all, id)
		}
	})
	slices.Sort(all)
	return all
}

// EndSource ends whoever feeds a point, in the words of its protocol, and gives the
// sessions that this ends. A point with a URL is started anew at once.
func (room *Room) EndSource(on, why string) (ended []uint64) {
	room.sources.end(on)
	// The children last: what a source has sent is its format plugin's to finish.
	for _, isChild := range []bool{false, true} {
		for _, r := range room.Runners() {
			r.each(func(w *worker) { ended = append(ended, w.endSources(on, why, isChild)...) })
		}
	}
	room.sources.forget(on)
	if p := room.point(on); p != nil {
		room.startSource(p)
	}
	slices.Sort(ended)
	return ended
}

func (w *worker) endSources(on, why string, isChild bool) (ended []uint64) {
	feeds := func(s *Session) bool {
		return s.on == on && (s.kind == kindFormat) == isChild && s.role() != RoleViewer && s.isSource()
	}
	var all []*Session
	for _, s := range w.sessions {
		if feeds(s) {
			all = append(all, s)
			ended = append(ended, s.id)
		}
	}
	if !isChild {
		w.stopAll(abi.StopPoint, why, feeds)
	}
	for _, s := range all {
		w.endWith(s, "source_changed", why)
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
	s.cancel(s.timers[name])
	delete(s.timers, name)
	delete(s.wait, name)
	delete(s.ending, name)
	delete(s.active, name)
}

// Starts tells whether a running plugin starts sources with this URL.
func (room *Room) Starts(url string) bool {
	scheme, _, _ := strings.Cut(url, ":")
	return room.starter(scheme) != nil
}

// SetConfig replaces the configuration, JSON, that instances are told from now on.
func (r *Runner) SetConfig(config []byte) {
	config = bytes.Clone(config)
	r.mu.Lock()
	r.config = config
	r.mu.Unlock()
	r.each(func(w *worker) {
		if w.now != nil {
			w.now.config = config
			w.now.spare.drop()
		}
	})
}
