package host

import (
	"fmt"
	"net"
	"testing"
	"time"
	"weak"

	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/stream"
)

// TestLabelsAreKept: of more renditions than are counted apart, each keeps its label, whichever ends first.
func TestLabelsAreKept(t *testing.T) {
	pool, err := deliver.New(deliver.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	receiver, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	c := newCosts(pool, known{cpu: func() map[string]time.Duration { return nil }, isThere: func(string) bool { return true }})
	defer c.close()
	const renditions = maxSeries + 8
	var logs []*stream.Log
	c.mu.Lock()
	for i := range renditions {
		l := stream.New(stream.Options{})
		logs = append(logs, l)
		for range i + 1 { // so that each has a count of its own
			a := deliver.AttachUDP{Attach: deliver.Attach{Log: l, Cursor: l.Cursor(stream.Start{}), By: "by"}, To: receiver.LocalAddr().(*net.UDPAddr).AddrPort(), Socket: deliver.UDPSocket{TTL: -1}}
			if _, err := pool.AttachUDP(a); err != nil {
				t.Fatal(err)
			}
		}
		c.open = append(c.open, &running{"live", fmt.Sprint("r", i), weak.Make(l), pool.Account(l)})
	}
	c.mu.Unlock()
	for end := time.Now().Add(20 * time.Second); pool.Stats().Attached < renditions*(renditions+1)/2; {
		if time.Now().After(end) {
			t.Fatalf("%d are attached", pool.Stats().Attached)
		}
		<-time.After(time.Millisecond)
	}
	before := c.bill()
	if len(before) != maxSeries+1 {
		t.Errorf("%d series", len(before))
	}
	for _, gone := range []int{renditions - 1, renditions - 3, 0, 7} {
		c.mu.Lock()
		for _, x := range c.open {
			if x.rendition == fmt.Sprint("r", gone) {
				x.log = weak.Pointer[stream.Log]{} // as if it were collected
			}
		}
		c.mu.Unlock()
		now := c.bill()
		for k, was := range before {
			if is := now[k]; is == nil || is.Attached != was.Attached {
				t.Errorf("rendition %d gone: %v went from %d to %+v", gone, k, was.Attached, is)
			}
		}
		if len(now) != len(before) {
			t.Errorf("%d series", len(now))
		}
	}
	if len(logs) != renditions {
		t.Error("the logs are in use")
	}
}

// TestLabelsOfGonePoints: a point that is configured again has all of its labels.
func TestLabelsOfGonePoints(t *testing.T) {
	l := labels{map[series]bool{}, map[string]int{}}
	for i := range 2 * maxSeries {
		want := fmt.Sprint("r", i)
		if i >= maxSeries {
			want = otherRendition
		}
		if k := l.give(series{"live", fmt.Sprint("r", i), "p"}); k.rendition != want {
			t.Errorf("r%d is counted as %s", i, k.rendition)
		}
	}
	l.forget(func(string) bool { return false })
	if k := l.give(series{"live", "new", "p"}); k.rendition != "new" || len(l.apart) != 1 || l.of["live"] != 1 {
		t.Errorf("%+v, %+v", k, l)
	}
}
