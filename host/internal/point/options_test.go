package point

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// TestSetOptions: options change in place, for those who are there as far as they can.
func TestSetOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Name: "live", Buffer: time.Minute, Grace: time.Second}, nil)
		defer p.Close()
		f, err := p.Publish("encoder", true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Open("asf"); err != nil {
			t.Fatal(err)
		}
		f.SetHeader([]byte("header"))
		f.Append(media.Packet{Flags: media.Key}, []byte("packet"))
		for range 2 {
			if _, err = p.Join("asf", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		p.SetOptions(Options{Name: "other", URL: "file:x", Buffer: time.Second, MaxBytes: 1 << 20, Grace: time.Minute, MaxViewers: 2})
		if n := f.Rendition().Log.MaxBytes(); n != 1<<20 {
			t.Errorf("the buffer of a rendition that is there may hold %d bytes", n)
		}
		if o := p.Options(); o.Name != "live" || o.URL != "file:x" || o.Buffer != time.Second || p.Snapshot().State != Live {
			t.Errorf("%+v, %v", o, p.Snapshot().State)
		}
		if _, err = p.Join("asf", time.Now()); !errors.Is(err, ErrFull) {
			t.Errorf("the third of two viewers: %v", err)
		}
		if _, err = p.Publish("another", true, time.Now()); !errors.Is(err, ErrNotPush) {
			t.Errorf("a push to a point that fetches: %v", err)
		}
		f.Close("gone")
		time.Sleep(30 * time.Second)
		if n := len(p.Snapshot().Renditions); n != 1 {
			t.Errorf("%d renditions within the new grace", n)
		}
		time.Sleep(time.Minute)
		if s := p.Snapshot(); len(s.Renditions) != 0 || s.State != Waiting {
			t.Errorf("after it: %+v", s)
		}
		p.SetOptions(Options{Grace: time.Minute})
		if s := p.Snapshot(); s.State != Idle {
			t.Errorf("pushed again: %v", s.State)
		}
	})
}
