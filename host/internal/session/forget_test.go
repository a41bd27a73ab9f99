package session

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// TestDispatchForgets: what the last frame was about is not kept by the memory that frames share.
func TestDispatchForgets(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "live"})
	runner := r.add("name: writer\nroles: [announce]\ncapabilities: [documents]\ndocuments: [{format: txt, type: text/plain}]\n",
		func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
			if _, ok := e.(*abi.DocumentRequest); ok {
				p := v.Pieces()
				p.Text("a document")
				v.Document("text/plain", 0, p)
			}
			return nil
		})
	for range 20 {
		if _, _, err := r.room.Announcement("txt", "live", "", ""); err != nil {
			t.Fatal(err)
		}
	}
	runner.one().do(func() {
		sc := &runner.one().scratch
		for _, list := range [][]*Session{sc.batch[:cap(sc.batch)], sc.taken[:cap(sc.taken)], runner.one().mail.ready[:cap(runner.one().mail.ready)]} {
			for _, s := range list {
				if s != nil {
					t.Errorf("session %d is held", s.id)
				}
			}
		}
		if sc.b.s != nil {
			t.Error("the last batch's session is held")
		}
	})
}

// TestCancelledTimersHoldNothing: a session whose timer was taken back does not wait for the time when it would have been due.
func TestCancelledTimersHoldNothing(t *testing.T) {
	var all timers
	held := &Session{}
	freed := make(chan struct{})
	runtime.AddCleanup(held, func(c chan struct{}) { close(c) }, freed)
	id := all.add(time.Now().Add(time.Hour), func() { held.id++ })
	held = nil
	all.cancel(id)
	for end := time.After(20 * time.Second); ; {
		runtime.GC()
		select {
		case <-freed:
			runtime.KeepAlive(&all)
			return
		case <-end:
			t.Fatal("the session is held")
		case <-time.After(time.Millisecond):
		}
	}
}

// TestViewerHoldsNoRequest: what a viewer asked with is freed when it is attached.
func TestViewerHoldsNoRequest(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	seen := newRecorder()
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		seen.add(e.Op().String())
		if _, ok := e.(*abi.HTTPRequest); ok {
			v.Respond(200, 0, nil, nil)
			v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey}, nil)
		}
		return nil
	})
	r.fill("live")
	r.dial(r.listen(), fmt.Sprintf(request, "live"))
	seen.wait(t, "ATTACHED")
	runner.one().do(func() {
		if len(runner.one().sessions) != 1 {
			t.Errorf("%d sessions", len(runner.one().sessions))
		}
		for _, s := range runner.one().sessions {
			if s.view == nil || unsafe.Pointer(s.view) != unsafe.Pointer(s) {
				t.Error("no viewer is attached, or it is an object of its own")
				return
			}
			if s.links != &unlinked || s.conns[0] != plain[0] {
				t.Error("the viewer holds its request")
			}
			if s.links.x.isOpen() {
				t.Error("an exchange without its request can still be answered")
			}
			if len(runner.one().timers.live) != 0 {
				t.Error("the timer of the request's answer is kept")
			}
			s.inbox.mu.Lock()
			letters := s.inbox.letters
			s.inbox.mu.Unlock()
			if letters != nil {
				t.Error("the inbox holds an event that was taken")
			}
			if s.cur != idle && s.cur.event.Op() != abi.OpAttached {
				t.Error("the event under way is another than the last")
			}
		}
	})
}
