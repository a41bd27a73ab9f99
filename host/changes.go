package host

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// changes is the configuration in force and what a change of it leaves behind.
type changes struct {
	// mu is held over a whole change, before Server.mu, which is held over its switch
	// alone: what is slow is done while the status can be asked.
	mu      sync.Mutex
	current atomic.Pointer[config.Config]
	ended   chan struct{} // closed when retired listeners must end
	once    sync.Once
	retired sync.WaitGroup
	fed     []*listening // retired ones for datagrams, until their flows have ended; under Server.mu
	watch   watching     // has what changes in files put in force
	refused refusals
}

// wait returns when no change is under way.
func (c *changes) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
}

// end has what retired listeners still do broken off.
func (c *changes) end() { c.once.Do(func() { close(c.ended) }) }

// config is the configuration in force.
func (s *Server) config() *config.Config { return s.changes.current.Load() }

// release lets a replaced listener finish what it has begun.
func (s *Server) release(l *listening, a *aside) {
	ends := func(x listenerStep) bool { return x.old.Name == l.config.Name && x.endsFlows() }
	if slices.Contains(a.x.displaced, l) || slices.ContainsFunc(a.x.listeners, ends) || l.tcp == nil && !l.hasFlows() {
		l.close()
		return
	}
	if l.tcp != nil && a.own.isMoved(l) {
		l.tcp.Retire(false) // who waits in the queues is the new listener's
	} else {
		l.retire()
	}
	s.linger(l)
}

// finish waits until all is done that a retired listener's connections have asked for,
// but no longer than until ended, and closes it.
func (l *listening) finish(ended <-chan struct{}) {
	defer l.close()
	if l.tcp == nil {
		l.waitForFlows(ended)
		return
	}
	timer := time.NewTimer(netio.DefaultSniffTimeout) // they may not have shown yet what they speak
	defer timer.Stop()
	select {
	case <-ended:
		return
	case <-timer.C:
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.tcp.Shutdown(ctx) // it ends by ctx, which is no error here
	}()
	select {
	case <-ended:
		cancel()
	case <-done:
	}
	<-done
}

// flowsEvery is how often a retired listener is asked for its flows. Chosen: nobody waits
// but who wants its address again.
const flowsEvery = 100 * time.Millisecond

// waitForFlows returns when a UDP listener's flows have ended, or at ended.
func (l *listening) waitForFlows(ended <-chan struct{}) {
	tick := time.NewTicker(flowsEvery)
	defer tick.Stop()
	for l.hasFlows() {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

func (l *listening) hasFlows() bool {
	return slices.ContainsFunc(l.udp, func(u *netio.UDPListener) bool { return u.Stats().Flows > 0 })
}

func pointOptions(c config.Point) point.Options {
	return point.Options{Name: c.Name, URL: c.URL, Demand: c.Demand, Buffer: c.Buffer, MaxBytes: int(c.BufferBytes), Grace: c.Grace, MaxViewers: c.Viewers, Rates: pointRates(c.Rates), MaxLag: c.MaxLag, Latency: c.Latency,
		BurstRate: c.BurstRate, DropLate: c.OnLag == config.LagDrop}
}

// commitPoints puts the points in force: a changed one stays, with its viewers.
func (s *Server) commitPoints(x *proposal) {
	var gone []*point.Point
	s.room.ChangePoints(func(all map[string]*point.Point) {
		x.renewMade(all)
		for _, step := range x.points {
			made := all[step.now.Name]
			switch {
			case step.action == admin.Removed:
				gone = append(gone, all[step.old.Name])
				delete(all, step.old.Name)
			case made != nil: // also one that was made from a template, and stays now
				made.SetOptions(pointOptions(step.now))
				switch {
				case step.stops:
					made.Stop(notEnabled(x.now.File))
				case step.starts:
					made.Start()
				}
			default:
				all[step.now.Name] = s.newPoint(step.now, x.now.File)
			}
		}
	})
	s.sendTo(x.now)
	s.keep(x.now)
	s.vitals.total.SetLimits(totalLimits(x.now.Limits))
	for _, p := range gone {
		p.Close()
	}
}
