package point

import "time"

// audience is what a point's viewers take of it. The point's lock guards it.
type audience struct {
	viewers int
	joins   bucket
}

// Join reserves a viewer's place on a rendition. Rendition.Leave gives it back. A limit
// that keeps the viewer out is a FullError.
func (p *Point) Join(rendition string, now time.Time) (*Rendition, error) {
	return p.join(rendition, now, false)
}

// Rejoin is Join for a viewer that has a place and moves, whom no limit keeps out.
func (p *Point) Rejoin(rendition string, now time.Time) (*Rendition, error) {
	return p.join(rendition, now, true)
}

func (p *Point) join(rendition string, now time.Time, again bool) (*Rendition, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.find(rendition)
	switch {
	case p.state == Draining:
		return nil, ErrClosed
	case p.state == Stopped:
		return nil, ErrStopped
	case r == nil:
		return nil, ErrNoSuch
	case r.Log.Header() == nil:
		return nil, ErrNotReady
	}
	rate := r.rate()
	if !again {
		if l := p.keepsOut(rate, now); l != NoLimit {
			return nil, &FullError{l}
		}
	}
	if l := p.options.Total.enter(rate, now, again); l != NoLimit {
		return nil, &FullError{l}
	}
	if !again {
		p.audience.joins.take(p.options.Rates.Joins)
	}
	p.audience.viewers++
	r.viewers++
	r.charge()
	return r, nil
}

// keepsOut gives the point's own limit that a further viewer meets. The lock is held.
func (p *Point) keepsOut(rate int64, now time.Time) Limit {
	o := &p.options
	if o.MaxViewers > 0 && p.audience.viewers >= o.MaxViewers {
		return LimitViewers
	}
	return o.Rates.judge(rate, p.used(), &p.audience.joins, now)
}

// used gives what the point's viewers take, bits a second. The lock is held.
func (p *Point) used() (rate int64) {
	for _, r := range p.set {
		r.charge()
		rate += r.charged
	}
	return rate
}

// KeepsOut gives the limit that a further viewer of the rendition meets now.
func (r *Rendition) KeepsOut(now time.Time) Limit {
	p := r.point
	p.mu.Lock()
	defer p.mu.Unlock()
	rate := r.rate()
	if l := p.keepsOut(rate, now); l != NoLimit {
		return l
	}
	return p.options.Total.keepsOut(rate, now)
}

// Leave gives back a place that Join reserved.
func (r *Rendition) Leave() {
	p := r.point
	p.mu.Lock()
	defer p.mu.Unlock()
	p.audience.viewers--
	r.viewers--
	r.charge()
	p.options.Total.leave()
}

// rate is in bits a second; 0 while it is not known.
func (r *Rendition) rate() int64 { return int64(r.Log.Rate()) * 8 }

// charge counts what the rendition's viewers take now. The point's lock is held.
func (r *Rendition) charge() {
	now := r.rate() * int64(r.viewers)
	r.point.options.Total.charge(now - r.charged)
	r.charged = now
}

// Use gives what the point's viewers take now.
func (p *Point) Use() Use {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Use{p.audience.viewers, p.used()}
}
