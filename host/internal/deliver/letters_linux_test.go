package deliver

import (
	"fmt"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// TestLettersOfASpentPoke: an order that comes while a turn has left others over is carried
// out in the turn after these. The turn that began with them has consumed its poke, and no
// socket has anything to tell.
func TestLettersOfASpentPoke(t *testing.T) {
	for name, order := range map[string]func(s *sim, there *watcher) (isDone func() bool){
		"join": func(s *sim, there *watcher) func() bool {
			x := s.attach(there.count.log.Load(), stream.Start{}, Attach{Head: []byte("HEAD")})
			return func() bool { return x.count.bytes.Load() == 4 }
		},
		"write": func(_ *sim, there *watcher) func() bool {
			_ = there.Write([]byte("again"))
			return func() bool { return there.count.bytes.Load() == 8 }
		},
		"close": func(_ *sim, there *watcher) func() bool {
			there.Close(Closed)
			return there.gone.Load
		},
	} {
		for orders := clockLetters + 1; orders <= 3*clockLetters; orders++ {
			t.Run(fmt.Sprintf("%s after %d", name, orders), func(t *testing.T) {
				simulate(t, func(t *testing.T) { spendPoke(t, orders, order) })
			})
		}
	}
}

// spendPoke has a worker carry out many orders, in parts, and one that comes after the first part.
func spendPoke(t *testing.T, orders int, order func(*sim, *watcher) func() bool) {
	s := newSim(t, defaultLatency, partTime/clockLetters) // each turn carries out clockLetters orders
	defer s.close()
	w, l := s.worker, tsLog(time.Minute)
	var all []*watcher
	for range orders {
		all = append(all, s.attach(l, stream.Start{}, Attach{}))
	}
	s.run(time.Second, func() {}) // what their sockets have to tell at first is told
	for _, x := range all {
		if err := x.Write([]byte("one")); err != nil {
			t.Fatal(err)
		}
	}
	turn := func(what string) {
		t.Helper()
		if _, block := w.nextTurn(w.clock()); block && !w.poked.Load() {
			t.Fatalf("the worker waits, and with it %s", what)
		}
		s.turn()
	}
	turn("all orders")
	if all[0].count.sends.Load() != 1 || all[orders-1].count.sends.Load() != 0 {
		t.Fatal("the first turn has carried out all orders, or none: this shows nothing")
	}
	isDone := order(s, all[0])
	for all[orders-1].count.sends.Load() == 0 {
		turn("what it has left over")
		if w.poked.Load() {
			t.Fatal("the poke is not spent: this shows nothing")
		}
	}
	if turn("the order that came last"); !isDone() {
		t.Error("the next turn has not carried out the order that came last")
	}
	if _, block := w.nextTurn(w.clock()); !block {
		t.Error("the worker does not rest after all is done")
	}
}
