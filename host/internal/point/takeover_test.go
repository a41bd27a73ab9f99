package point

import (
	"errors"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// TestOpenAt: a source that fed the point elsewhere goes on with its numbers, but not in a rendition that has its own.
func TestOpenAt(t *testing.T) {
	p := New(Options{Name: "live", Grace: time.Minute}, nil)
	defer p.Close()
	if p.Feed() != nil {
		t.Error("a point without a source has a feed")
	}
	f, err := p.Publish("relay", true, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Feed() != nil {
		t.Error("a reservation counts as a source")
	}
	if _, err = f.OpenAt("asf", 40, 3); err != nil || p.Feed() != f {
		t.Fatal(err)
	}
	f.SetHeader([]byte("h"))
	f.Append(media.Packet{DTS: 5})
	if oldest, next := f.Rendition().Log.Bounds(); oldest != 40 || next != 41 || f.Rendition().Log.Length() != 0 {
		t.Errorf("packets %d to %d, %v long", oldest, next, f.Rendition().Log.Length())
	}
	if err = f.Pass("push x"); err != nil || p.Snapshot().Source != "push x" || p.Snapshot().Sources != 3 {
		t.Errorf("%v: %+v", err, p.Snapshot())
	}
	f.Close("gone")
	if err = f.Pass("push y"); !errors.Is(err, ErrGone) {
		t.Errorf("a feed that was given back is passed on: %v", err)
	}
	again, err := p.Publish("relay", true, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if prior, err := again.OpenAt("asf", 7, 2); err != nil || prior.NextSeq != 41 || prior.Sources != 4 {
		t.Errorf("%+v, %v", prior, err)
	}
}
