package host

import (
	"maps"
	"sync"
	"sync/atomic"
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

// sum adds up series.
func (b bill) sum(keys []series) (t deliver.LogTotals) {
	for _, k := range keys {
		if x := b[k]; x != nil {
			t.Add(x)
		}
	}
	return t
}

// labels are the series that are counted apart. Who has one keeps it as long as the point
// is there, so that nobody's counts come under another name.
type labels struct {
	apart map[series]bool
	of    map[string]int // points
}

// give tells as what a series is counted.
func (l *labels) give(k series) series {
	switch {
	case l.apart[k]:
	case l.of[k.point] < maxSeries:
		l.apart[k] = true
		l.of[k.point]++
	default:
		k.rendition, k.plugin = otherRendition, ""
	}
	return k
}

// forget drops points that are no more.
func (l *labels) forget(isThere func(point string) bool) {
	maps.DeleteFunc(l.apart, func(k series, _ bool) bool { return !isThere(k.point) })
	maps.DeleteFunc(l.of, func(point string, _ int) bool { return !isThere(point) })
}

// costs keeps what was delivered of each point, also of renditions that are gone, so that
// no count goes back. Its methods may be called from any goroutine.
type costs struct {
	pool    *deliver.Pool
	of      known
	mu      sync.Mutex
	labels  labels
	settled bill       // of renditions that nobody can be sent any more
	open    []*running // the others
	history history
	ending  sync.Once
	scraped atomic.Pointer[bill]
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
	c := &costs{pool: p, of: of, labels: labels{map[series]bool{}, map[string]int{}}, settled: bill{}, stop: make(chan struct{}), done: make(chan struct{})}
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
		c.addTo(c.settled, x)
	}
	clear(c.open[len(still):])
	c.open = still
}

// addTo puts a rendition's account into a bill. The lock is held.
func (c *costs) addTo(b bill, x *running) {
	x.account.Each(func(by string, t *deliver.LogTotals) { b.add(c.labels.give(series{x.point, x.rendition, by}), t) })
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
		c.addTo(b, x)
	}
	return b
}

// scrape has the metrics that follow say the same moment, and one bill do for all.
func (c *costs) scrape() {
	b := c.bill()
	c.scraped.Store(&b)
}

// lastScrape gives the bill for the metrics of a scrape.
func (c *costs) lastScrape() bill {
	if b := c.scraped.Load(); b != nil {
		return *b
	}
	return c.bill()
}

// look gives all that there is to know now.
func (c *costs) look() look { return look{time.Now(), c.bill(), c.of.cpu()} }

// forget drops what is settled of points that are no more.
func (c *costs) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.settled, func(k series, _ *deliver.LogTotals) bool { return !c.of.isThere(k.point) })
	c.labels.forget(c.of.isThere)
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
