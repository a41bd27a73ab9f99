package point

// made is what a point has that is there only while it is of use. The zero value is a
// point that stays.
type made struct {
	gone func(p *Point) // nil: nobody asks
	auto bool           // it goes with its source
}

// OnGone has gone called, without the point's lock, once the point ends because nobody
// needs it any more: it was made from a template (Options.Template), and its source has
// left for good. It must not block.
func (p *Point) OnGone(gone func(p *Point)) {
	p.mu.Lock()
	p.made.gone = gone
	p.mu.Unlock()
}

// SetAutoDestroy says whether a point that was made from a template goes as soon as its
// source has left, without grace.
func (p *Point) SetAutoDestroy(on bool) {
	p.mu.Lock()
	p.made.auto = on
	p.mu.Unlock()
}

// AutoDestroy reports what SetAutoDestroy has said.
func (p *Point) AutoDestroy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made.auto
}

// goesWithSource reports whether nobody waits for another source. The lock is held.
func (p *Point) goesWithSource() bool { return p.options.Template != "" && p.made.auto }

// Retire ends a point that was made from a template, if it has neither a source nor anything
// to show, and is not stopped. Points do so by themselves when their source has left; it is
// for one that has been made and then was not fed.
func (p *Point) Retire() {
	p.mu.Lock()
	isNeeded := p.options.Template == "" || p.source != nil || len(p.set) > 0 || p.state.isOver() // a stopped one is there to be started
	if !isNeeded {
		p.state = Draining
	}
	gone := p.made.gone
	p.mu.Unlock()
	if isNeeded {
		return
	}
	p.changed()
	if gone != nil {
		gone(p)
	}
}
