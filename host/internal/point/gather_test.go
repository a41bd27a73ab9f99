package point

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// paced takes what is new once in a while.
type paced struct{ interval time.Duration }

func (*paced) Wake(*stream.Log)          {}
func (p *paced) Interval() time.Duration { return p.interval }

// TestGather: input waits no longer than the latency while somebody watches, and no less than
// any of the viewers' sends, which then follow it without a wait of their own.
func TestGather(t *testing.T) {
	const ms, most = time.Millisecond, 200 * time.Millisecond
	p := New(Options{Name: "live", Latency: 40 * ms, Buffer: time.Second}, nil)
	feed, err := p.Publish("test", false, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := feed.Open("ts"); err != nil {
		t.Fatal(err)
	}
	r := feed.Rendition()
	if d := p.Gather(10*ms, most); d != most {
		t.Errorf("%v while nobody watches", d)
	}
	slow, quick := &paced{}, &paced{interval: 5 * ms}
	r.Log.AddWaker(slow)
	r.Log.AddWaker(quick)
	for _, c := range []struct{ interval, least, want time.Duration }{
		{5 * ms, 10 * ms, 10 * ms}, {38 * ms, 10 * ms, 38 * ms}, {40 * ms, 200 * ms, 40 * ms}, {0, 10 * ms, 10 * ms}, {60 * ms, 10 * ms, 40 * ms},
	} {
		slow.interval = c.interval
		if d := p.Gather(c.least, most); d != c.want {
			t.Errorf("%v at an interval of %v; want %v", d, c.interval, c.want)
		}
	}
	p.Gathered(38 * ms)
	if d := r.Log.Gathered(); d != 38*ms {
		t.Errorf("the log is told of %v", d)
	}
}
