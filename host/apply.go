package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"runtime"
	"sync"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/session"
)

// aside is what has been opened and started for a proposal, and is not in force yet.
type aside struct {
	s          *Server
	x          *proposal
	listeners  map[string]*listening
	own        *ownSockets
	again      []*listening // that stay as they are but for their workers
	flipped    []*listening // whose workers a way back must set again, with their old configuration
	added      []string     // plugins whose runners are new
	candidates []*session.Candidate
}

// apply puts a proposal in force: all that can fail is done aside, then it is switched
// at once. After an error everything is as it was.
func (s *Server) apply(x *proposal) ([]admin.Touched, error) {
	a := &aside{s: s, x: x, listeners: map[string]*listening{}}
	if err := errors.Join(a.openListeners(), a.startPlugins()); err != nil {
		a.discard()
		return nil, err
	}
	before := s.room.Sessions()
	foreseen := x.touched(before)
	went, err := s.room.Switch(a.candidates, a.steer)
	if err != nil {
		a.discard()
		return nil, err
	}
	done := map[uint64]effect{}
	for _, id := range went.Moved {
		done[id] = effect{admin.Moves, "its plugin got a new generation"}
	}
	for _, id := range went.Stayed {
		done[id] = effect{admin.Stays, "its plugin's new build does not read its state: it stays with the old build for a while"}
	}
	for _, id := range went.Ended {
		done[id] = effect{admin.Ends, "its plugin's new build no longer packages this"}
	}
	s.commit(a)
	s.recordTo(x.now)
	a.end(done)
	s.room.StartSources()
	return settle(foreseen, before, done), nil
}

// openListeners opens the listeners that come, beside those that they replace.
func (a *aside) openListeners() error {
	a.own = a.takeOver()
	defer a.lend()()
	var all []error
	for _, step := range a.x.listeners {
		if step.action == admin.Removed || a.isLate(&step) {
			continue
		}
		if !step.now.Enabled {
			a.listeners[step.now.Name] = &listening{config: step.now, front: a.s.front(step.now.Name)}
			continue
		}
		if err := a.openListener(step.now); err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

func (a *aside) openListener(c config.Listener) error {
	l, err := a.s.openListener(c, "then apply it again")
	if err == nil {
		a.listeners[c.Name] = l
		err = l.setPatterns(a.x.tables[c.Name]) // datagrams come at once
	}
	if err != nil {
		return a.x.now.Problem(err.Error(), "listeners", c.Name)
	}
	return nil
}

// isLate tells whether a listener is opened at the last moment: one for datagrams at an
// address that is open here, since who opens it gets its datagrams at once.
func (a *aside) isLate(l *listenerStep) bool {
	if l.flips() {
		was := a.s.listeners[l.old.Name]
		return was != nil && was.isOpen()
	}
	return l.now.UDP && l.now.Enabled && len(a.own.datagramsAt(l.now.Addresses...)) > 0
}

// openLate opens or flips the listeners that are late.
func (a *aside) openLate() error {
	defer a.lend()()
	for _, step := range a.x.listeners {
		if !a.isLate(&step) {
			continue
		}
		if step.flips() {
			was := a.s.listeners[step.old.Name]
			again := *was
			again.config = step.now
			a.flipped = append(a.flipped, was)
			if err := again.flip(); err != nil {
				return err
			}
			a.again = append(a.again, &again)
			continue
		}
		a.flipped = append(a.flipped, a.own.datagramsAt(step.now.Addresses...)...)
		if err := a.openListener(step.now); err != nil {
			return err
		}
		if err := a.listeners[step.now.Name].flip(); err != nil { // it has one socket for each address so far
			return err
		}
	}
	return nil
}

// flip begins a generation of as many workers as the configuration says.
func (l *listening) flip() error {
	for _, u := range l.udp {
		if err := u.Flip(workers(l.config)); err != nil {
			return err
		}
	}
	return nil
}

// lend has listeners that are opened find the sockets of those that go, until the
// function that it gives is called.
func (a *aside) lend() (end func()) {
	rest := a.s.inherited
	a.s.inherited = append([]socketSource{a.own}, rest...)
	return func() { a.s.inherited = rest }
}

// takeOver collects the open listeners that go.
func (a *aside) takeOver() *ownSockets {
	o := newOwnSockets()
	for _, step := range a.x.listeners {
		if l := a.s.listeners[step.old.Name]; l != nil && l.isOpen() && !step.flips() {
			o.old = append(o.old, l)
		}
	}
	o.old = append(o.old, a.x.displaced...)
	return o
}

// startPlugins compiles the modules that come, as many at a time as there are cores,
// and starts an instance of each.
func (a *aside) startPlugins() error {
	generations := make([]plugin.Generation, len(a.x.plugins))
	failed := make([]error, len(a.x.plugins))
	var compiling sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, step := range a.x.plugins {
		if !step.starts {
			continue
		}
		compiling.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			generations[i], failed[i] = a.s.open(context.Background(), step.now, a.x.modules[step.now.Name])
		})
	}
	compiling.Wait()
	for i := range a.x.plugins {
		step := &a.x.plugins[i]
		if failed[i] == nil && step.action != admin.Removed {
			if failed[i] = a.prepare(step, generations[i]); failed[i] == nil {
				generations[i] = nil
			}
		}
		if failed[i] != nil {
			failed[i] = problem(a.x.now, step.now, failed[i])
		}
		if generations[i] != nil {
			generations[i].Close()
		}
	}
	return errors.Join(failed...)
}

// prepare makes the runner of a plugin that is new, and a candidate if it starts.
func (a *aside) prepare(p *pluginStep, g plugin.Generation) error {
	settings, err := json.Marshal(p.now.Config)
	if err != nil {
		return err
	}
	var may session.Grant
	if m, ok := a.x.modules[p.now.Name]; ok {
		may = grant(p.now.Grant, m.manifest)
	}
	var runner *session.Runner
	if p.loaded != nil {
		runner = p.loaded.runner
	} else {
		if runner, err = a.s.room.Add(session.PluginOptions{Name: p.now.Name, Grant: may, Config: settings, Instances: p.now.Instances, Drain: p.now.Drain}); err != nil {
			return err
		}
		a.added = append(a.added, p.now.Name)
	}
	if g == nil {
		return nil
	}
	c, err := runner.Prepare(g, may, settings)
	if err == nil {
		c.SetDrain(p.now.Drain)
		a.candidates = append(a.candidates, c)
	}
	return err
}

// steer is the last that can fail, between the old and the new.
func (a *aside) steer() error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.s.closing {
		return errors.New("the server is draining")
	}
	if err := a.openLate(); err != nil {
		return err
	}
	if err := a.s.steer(a.all()); err != nil {
		if again := a.s.steer(a.s.listeners); again != nil {
			a.s.log.Error("steering is not as it was", "error", again)
		}
		return fmt.Errorf("steering: %w", err)
	}
	return nil
}

// all gives the listeners that there are once the proposal is in force.
func (a *aside) all() map[string]*listening {
	all := maps.Clone(a.s.listeners)
	for _, step := range a.x.listeners {
		if step.action == admin.Removed {
			delete(all, step.old.Name)
		}
	}
	maps.Copy(all, a.listeners)
	for _, l := range a.again {
		all[l.config.Name] = l
	}
	return all
}

// discard gives up what stands aside.
func (a *aside) discard() {
	for _, l := range a.listeners {
		l.close()
	}
	for _, l := range a.flipped {
		if err := l.flip(); err != nil && !errors.Is(err, net.ErrClosed) { // a retired one ends by itself
			a.s.log.Error("a listener's workers are not as they were", "listener", l.config.Name, "error", err)
		}
	}
	for _, c := range a.candidates {
		c.Discard()
	}
	for _, name := range a.added {
		a.s.changes.refused.keep(a.s.room.Runner(name).Faults())
		a.s.room.Remove(name)
	}
}

// commit makes the proposal the configuration in force. It cannot fail.
func (s *Server) commit(a *aside) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := *a.x.now
	now.Admin, now.Metrics, now.StateDir = a.x.old.Admin, a.x.old.Metrics, a.x.old.StateDir // until the next start
	s.changes.current.Store(&now)
	s.access.Set(a.x.policy)
	for i := range a.x.plugins {
		s.commitPlugin(a.x, &a.x.plugins[i])
	}
	s.listeners = a.all()
	s.passInherited(a.x.now)
	s.commitPoints(a.x)
	s.setRoutes()
	for _, l := range a.listeners {
		if s.closing { // since the steering was set
			l.halt()
			continue
		}
		l.accept()
		s.tellListener(l, admin.ListenerOpen)
	}
}

func (s *Server) commitPlugin(x *proposal, p *pluginStep) {
	if p.action == admin.Removed {
		delete(s.plugins, p.old.Name)
		return
	}
	l := p.loaded
	if l == nil {
		l = &loaded{runner: s.room.Runner(p.now.Name)}
		s.plugins[p.now.Name] = l
	}
	l.config = p.now
	l.runner.SetDrain(p.now.Drain)
	if m, ok := x.modules[p.now.Name]; ok {
		l.manifest = m.manifest
	}
	switch {
	case p.starts:
		l.off = ""
	case p.ends, p.action == admin.Added:
		l.off = "enabled: false in " + x.now.File
	}
	if p.starts {
		l.before, l.runs = l.runs, p.now
		return
	}
	if l.manifest != nil {
		l.runner.SetGrant(grant(p.now.Grant, l.manifest))
	}
	l.runner.SettleRollBack()
	if l.off != "" { // else it runs with this configuration, or an instance is told that of its build
		l.runs = p.now
		if settings, err := json.Marshal(p.now.Config); err == nil { // prepare has done it before
			l.runner.SetConfig(settings)
		}
	}
	if p.action == admin.Added {
		l.runner.Disable(l.off)
	}
}

// end does away with what the configuration no longer has, and starts sources anew; it
// notes the sessions that this ends.
func (a *aside) end(done map[uint64]effect) {
	note := func(ids []uint64, why string) {
		for _, id := range ids {
			done[id] = effect{admin.Ends, why}
		}
	}
	for _, l := range a.own.old { // first: plugins and sources may take their time
		a.s.release(l, a)
		a.s.tellListener(l, listenerClosed)
	}
	for i := range a.x.plugins {
		p := &a.x.plugins[i]
		if p.ends && p.loaded != nil {
			note(p.loaded.runner.IDs(), "plugin "+p.name()+" is no longer enabled")
			p.loaded.runner.Disable(p.reason(a.x.now))
		}
		if p.action == admin.Removed {
			a.s.room.Remove(p.old.Name)
		} else if p.loaded != nil {
			for _, id := range p.loaded.runner.SetInstances(p.now.Instances) {
				if done[id].what == "" {
					done[id] = effect{admin.Moves, fmt.Sprintf(fewer, p.name())}
				}
			}
		}
	}
	for _, p := range a.x.points {
		switch {
		case p.action == admin.Removed:
			note(a.s.room.EndSource(p.old.Name, "the point was removed"), "point "+p.old.Name+" is removed")
		case p.stops:
			note(a.s.room.EndSource(p.now.Name, notEnabled(a.x.now.File)), "point "+p.now.Name+" is stopped")
		case p.restarts:
			note(a.s.room.EndSource(p.now.Name, "the point gets another source"), "point "+p.now.Name+" gets another source")
		}
	}
}

func (p *pluginStep) reason(c *config.Config) string {
	if p.action == admin.Removed {
		return "removed from " + c.File
	}
	return "enabled: false in " + c.File
}
