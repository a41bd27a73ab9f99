package host

import (
	"maps"
	"sync"
	"time"
	"weak"

	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
)

// maxSeries is how many renditions of a point, by plugin, are counted apart; what is more
// is counted as otherRendition. Chosen: a plugin that thinks up names must not fill the
// metrics.
const (
	maxSeries      = 32
	otherRendition = "other"
)

// series is what is counted together. All of its fields are of the configuration or of a
// plugin's manifest.
type series struct{ point, rendition, plugin string }

// bill is what was delivered of each series up to a moment.
type bill map[series]*deliver.LogTotals

func (b bill) add(k series, t *deliver.LogTotals) {
	to := b[k]
	if to == nil {
		to = new(deliver.LogTotals)
		b[k] = to
	}
	to.Add(t)
}

// sum adds up the series that match.
func (b bill) sum(match func(series) bool) (t deliver.LogTotals) {
	for k, x := range b {
		if match(k) {
			t.Add(x)
		}
	}
	return t
}

// costs keeps what was delivered of each point, also of renditions that are gone, so that
// no count goes back. Its methods may be called from any goroutine.
type costs struct {
	pool    *deliver.Pool
	of      known
	mu      sync.Mutex
	settled bill       // of renditions that nobody can be sent any more
	open    []*running // the others
	history history
	ending  sync.Once
	stop    chan struct{}
	done    chan struct{}
}

// running is a rendition whose log may still be sent.
type running struct {
	point, rendition string
	log              weak.Pointer[stream.Log] // so that it is let go of when its viewers are gone
	account          *deliver.Account
}

// known is what costs are told by others.
type known struct {
	cpu     func() map[string]time.Duration // that each plugin has taken
	isThere func(point string) bool
}

func newCosts(p *deliver.Pool, of known) *costs {
	c := &costs{pool: p, of: of, settled: bill{}, stop: make(chan struct{}), done: make(chan struct{})}
	go c.loop()
	return c
}

// add counts a rendition that gets its first header, before anybody can join it.
func (c *costs) add(p *point.Point, r *point.Rendition) {
	x := &running{p.Name(), r.Name(), weak.Make(r.Log), c.pool.Account(r.Log)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	c.open = append(c.open, x)
}

// settle closes the accounts whose log is gone. The lock is held.
func (c *costs) settle() {
	still := c.open[:0]
	for _, x := range c.open {
		if x.log.Value() != nil {
			still = append(still, x)
			continue
		}
		x.addTo(c.settled)
	}
	clear(c.open[len(still):])
	c.open = still
}

func (x *running) addTo(b bill) {
	x.account.Each(func(by string, t *deliver.LogTotals) {
		k := series{x.point, x.rendition, by}
		if b[k] == nil && b.of(x.point) >= maxSeries {
			k.rendition, k.plugin = otherRendition, ""
		}
		b.add(k, t)
	})
}

// of is how many series a point has.
func (b bill) of(point string) (n int) {
	for k := range b {
		if k.point == point {
			n++
		}
	}
	return n
}

// bill gives what was delivered up to now.
func (c *costs) bill() bill {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	b := make(bill, len(c.settled)+len(c.open))
	for k, t := range c.settled {
		b.add(k, t)
	}
	for _, x := range c.open {
		x.addTo(b)
	}
	return b
}

// look gives all that there is to know now.
func (c *costs) look() look { return look{time.Now(), c.bill(), c.of.cpu()} }

// forget drops what is settled of points that are no more.
func (c *costs) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.settled, func(k series, _ *deliver.LogTotals) bool { return !c.of.isThere(k.point) })
}

const (
	// costsEvery is how often costs are noted for what is said of the last seconds, and
	// costsKept for how many times that. Chosen: ten seconds smooth an encoder's bursts.
	costsEvery = time.Second
	costsKept  = 10
)

// history is what was delivered at the last looks, the oldest first.
type history struct {
	mu  sync.Mutex
	all []look
}

type look struct {
	at   time.Time
	bill bill
	cpu  map[string]time.Duration // of plugins
}

// note keeps a look.
func (h *history) note(x look) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) > costsKept {
		copy(h.all, h.all[1:])
		h.all = h.all[:costsKept]
	}
	h.all = append(h.all, x)
}

// oldest gives the first look that is kept.
func (h *history) oldest() (look, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return look{}, false
	}
	return h.all[0], true
}

// loop owns nothing but the ticker, until close.
func (c *costs) loop() {
	defer close(c.done)
	tick := time.NewTicker(costsEvery)
	defer tick.Stop()
	for {
		c.forget()
		c.history.note(c.look())
		select {
		case <-tick.C:
		case <-c.stop:
			return
		}
	}
}

func (c *costs) close() {
	c.ending.Do(func() { close(c.stop) })
	<-c.done
}
