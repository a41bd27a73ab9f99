package session

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
)

// TestPackagerLeavesWorker: a packager of a worker that is too many goes on with another,
// without a packet lost or doubled.
func TestPackagerLeavesWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"}, point.Options{Name: "other"})
		g := newGeneration(t, packYAML, framing("<"))
		runner, err := r.room.Add(PluginOptions{Name: "pack", Grant: everything, Config: []byte("{}"), Instances: 2})
		if err == nil {
			err = runner.Enable(g)
		}
		if err != nil {
			t.Fatal(err)
		}
		feeds := []*point.Feed{r.fill("other"), r.fill("live")}
		synctest.Wait()
		to := packed(t, r)
		before := r.room.Sessions()
		moved := runner.SetInstances(1)
		for _, s := range before {
			if s.Worker >= 1 != slices.Contains(moved, s.ID) {
				t.Errorf("session %d was with worker %d; moved are %v", s.ID, s.Worker, moved)
			}
		}
		want := "[packed header ]<packet "
		for i := range 6 {
			for _, f := range feeds {
				k := media.Packet{}
				if i%2 == 1 {
					k.Flags = media.Key
				}
				f.Append(k, fmt.Append(nil, i))
			}
			want += fmt.Sprint("<", i)
			synctest.Wait()
		}
		if got := readAll(to.Log); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		after := r.room.Sessions()
		if n := len(runner.all()); n != 1 || len(moved) != 1 || len(after) != 2 {
			t.Fatalf("%d workers, %d have moved, %d sessions", n, len(moved), len(after))
		}
		for i := range after {
			if after[i].ID != before[i].ID || after[i].Worker != 0 || after[i].Point != before[i].Point {
				t.Errorf("%+v has become %+v", before[i], after[i])
			}
		}
		r.room.Close()
	})
}
