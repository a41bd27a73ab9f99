package point

// Stop ends the point until Start: its renditions end, so that viewers get what their
// rules say, and nobody joins or feeds it. Who feeds it now is the caller's to end. It
// reports false, and changes nothing but the reason, if the point is stopped already.
func (p *Point) Stop(reason string) bool {
	p.mu.Lock()
	if p.state == Draining {
		p.mu.Unlock()
		return false
	}
	stops := p.state != Stopped
	p.state, p.reason = Stopped, reason
	p.stopGrace()
	ended := p.dropRenditions()
	p.mu.Unlock()
	end(ended)
	p.changed()
	return stops
}

// Start lets sources and viewers of a stopped point in again; whoever calls it starts the
// source of a point that has a URL. It reports false if the point was not stopped.
func (p *Point) Start() bool {
	p.mu.Lock()
	if p.state != Stopped {
		p.mu.Unlock()
		return false
	}
	p.state, p.reason = p.restState(), ""
	p.mu.Unlock()
	p.changed()
	p.Retire()
	return true
}

// IsStopped reports whether the point was stopped, and why.
func (p *Point) IsStopped() (why string, stopped bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason, p.state == Stopped
}
