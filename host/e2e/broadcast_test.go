package e2e

import (
	"testing"
	"time"
)

// play is a way in which a client plays one of the broadcast's points.
type play struct {
	name   string
	point  string
	client program
	run    func(*testing.T, server)
}

// plays are added by the clients' files.
var plays []play

// TestBroadcast shows two live streams to each client, soon after their start and when
// the first packets have left the buffer of 30 s.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  live: {source: push}
  ts: {source: push}
`)
	s.push(t, "live", wmv+framed)
	s.push(t, "ts", h264+ts)
	for _, join := range []struct {
		name string
		age  time.Duration
	}{{"early", 3 * time.Second}, {"late", 32 * time.Second}} {
		for _, p := range plays {
			t.Run(join.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				p.client.need(t)
				s.WaitMedia(p.point, join.age)
				t.Logf("joins when the point is %.1f s old", s.Point(p.point).Renditions[0].NewestSeconds)
				p.run(t, s)
			})
		}
	}
}
