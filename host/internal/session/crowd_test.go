package session

import (
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// TestCrowdedOut: a session that finds the outbox full of another's verdicts is told the
// same again in a frame of its own.
func TestCrowdedOut(t *testing.T) {
	r := newRig(t, true)
	entered, gate := make(chan bool), make(chan bool)
	var crowded atomic.Int32
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			entered <- true
			<-gate
			v.RespondText(200, 0, "answered")
		case *abi.Data:
			if e.Bytes[4] == 'h' {
				for v.Room() > 256 {
					v.Metric("hog", 1)
				}
				return nil
			}
			if v.Room() < 1<<10 {
				crowded.Add(1)
				return nil
			}
			v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			p := v.Pieces()
			p.Text("served")
			v.Write(1, p)
		}
		return nil
	})
	at := r.listen()
	hog := r.dial(at, "\xAA\xBB\xCC\xDDhog")
	victim := r.dial(at, "\xAA\xBB\xCC\xDDvictim")
	got := make([]byte, len("served"))
	if _, err := io.ReadFull(victim, got); err != nil || string(got) != "served" {
		t.Fatalf("%q, %v", got, err)
	}
	for try := 1; crowded.Load() == 0; try++ { // the victim may be ready of what it was told before, and so the first
		if try > 10 {
			t.Fatal("the two sessions did not share a frame")
		}
		first := r.dial(at, fmt.Sprintf(request, "gate"))
		<-entered
		under := r.room.nextID.Load()
		_, _ = io.WriteString(hog, "more")
		r.waitReady(runner, under, 1)
		_, _ = io.WriteString(victim, "more!")
		r.waitReady(runner, under, 2)
		gate <- true
		ask(t, first)
		if _, err := io.ReadFull(victim, got); err != nil || string(got) != "served" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}
