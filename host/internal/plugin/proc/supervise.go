package proc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Times of a process that dies. A kill each second must not slow a plugin down, and a process that dies as soon as it starts must not occupy the
// machine: chosen between the two.
const (
	earlyDeath = 500 * time.Millisecond // since its start began
	firstDelay = 100 * time.Millisecond
	maxDelay   = time.Minute
)

// life is where instances find the process that runs now. It is safe for concurrent use.
type life struct {
	mu      sync.Mutex
	process *process      // nil while there is none
	err     error         // why the last start failed, or how the last process ended
	next    time.Time     // of the next start
	changed chan struct{} // closed at the next change
}

func (l *life) begin(p *process) { l.process, l.changed = p, make(chan struct{}) }

func (l *life) now() *process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.process
}

func (l *life) set(p *process, err error, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.process, l.err, l.next = p, err, next
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait gives a living process, other than not, unless none will start before ctx ends. A call that was lost with a process is never tried again on
// the same one: it would seem to have killed two.
func (l *life) wait(ctx context.Context, not *process) (*process, error) {
	until, _ := ctx.Deadline()
	for {
		l.mu.Lock()
		p, err, next, changed := l.process, l.err, l.next, l.changed
		l.mu.Unlock()
		if p != nil && p != not && !p.run.over() {
			return p, nil
		}
		if err == nil {
			err = errors.New("it takes longer than it may")
		}
		if p == nil && next.After(until) {
			return nil, fmt.Errorf("no process runs, and the next one starts in %v: %w", time.Until(next).Round(time.Second), err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("no process runs: %w", err)
		}
	}
}

// supervise starts the next process when one has died: at once the first time, and ever later while they die early. It owns the process.
func (g *generation) supervise(p *process) {
	defer close(g.over)
	for early := 0; ; {
		var err error
		began := time.Now()
		if p == nil {
			if p, err = g.start(g.served); err == nil {
				p.traffic.until = time.Now().Add(oneByOne)
				g.restarts.Add(1)
				g.life.set(p, nil, time.Time{})
				g.gate.Log.Info("plugin process restarted", "pid", p.run.pid)
			}
		}
		if p != nil {
			began = p.began
			select {
			case <-p.run.done:
			case <-g.stop.Done():
			}
			p.close()
			err = said(errors.New(p.run.how), p.tail.brief())
		}
		early++
		if p != nil && time.Since(began) >= earlyDeath {
			early = 0
		}
		delay := delayOf(early)
		g.life.set(nil, err, time.Now().Add(delay))
		if g.stop.Err() != nil {
			return
		}
		g.gate.Log.Warn("plugin process is gone", "error", err, "next_start", delay)
		p = nil
		if !g.pause(delay) {
			return
		}
	}
}

// delayOf is how long to wait after so many early deaths in a row.
func delayOf(early int) time.Duration {
	if early < 2 {
		return 0
	}
	return min(firstDelay<<min(early-2, 16), maxDelay)
}

// pause reports whether the time passed before the end.
func (g *generation) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-g.stop.Done():
		return false
	}
}
