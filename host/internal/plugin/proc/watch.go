package proc

import (
	"fmt"
	"sync"
	"time"
)

// watch ends the process of a call that takes too long. Which of its threads works for the call cannot be told from outside, so a call is over its
// limit when that time has passed by the clock on the wall and the process has used as much as all calls that were under way meanwhile may use
// together; and after asleep times the limit whatever it used. It was this call's doing only if there was no other.
type watch struct {
	process *process
	timer   *time.Timer
	clock   clock

	mu    sync.Mutex
	pass  passage
	armed bool // a call is under way
	began time.Time
	used  time.Duration // by the process, when the call began
	over  *overrun
}

// overrun is why a process was ended. It is an error.
type overrun struct {
	text  string
	alone bool // the call
}

func (o *overrun) Error() string {
	if o.alone {
		return o.text
	}
	return o.text + "; other calls were under way in its process"
}

// begin readies the watch for calls of p.
func (w *watch) begin(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.process, w.clock, w.armed, w.over = p, clockOf(p.run.pid), false, nil
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Stop()
}

func (w *watch) arm(pass passage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass, w.armed, w.began, w.used = pass, true, time.Now(), w.clock.now()
	w.timer.Reset(pass.limit)
}

// disarm ends the call, and says why the process was ended, if it was.
func (w *watch) disarm() *overrun {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	w.timer.Stop()
	return w.over
}

// look decides about the call that is under way.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.armed {
		return
	}
	wall, limit := time.Since(w.began), w.pass.limit
	if wall < limit { // the timer is that of a call before
		return
	}
	used := w.clock.now() - w.used
	may, alone := w.pass.look()
	switch {
	case used >= may:
		w.over = &overrun{fmt.Sprintf("ran longer than %v", limit), alone}
	case wall >= asleep*limit:
		w.over = &overrun{fmt.Sprintf("did not answer within %v, %d times its limit", asleep*limit, asleep), alone}
	default:
		w.timer.Reset(min(max(may-used, firstLook), asleep*limit-wall))
		return
	}
	w.armed = false
	w.process.run.kill()
}

func (w *watch) end() { w.timer.Stop() }
