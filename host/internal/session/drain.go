package session

import (
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// Drain tells all sources that the server is ending, so that encoders get their
// protocol's answer, and starts none anew. Viewers are not touched: they end with
// their points. It returns when each plugin has answered.
func (room *Room) Drain(deadline time.Time) {
	room.sources.stop()
	for _, r := range room.Runners() {
		r.do(func() { r.drain(deadline) })
	}
}

// drain has the plugin's source sessions end themselves. Runner.
func (r *Runner) drain(deadline time.Time) {
	for _, s := range r.sessions {
		if s.links.view != nil || s.kind == kindFormat || s.kind == kindPackager || s.kind == kindDocument {
			continue
		}
		s.enqueue(&abi.Stop{Reason: abi.StopDraining, Deadline: int64(deadline.Sub(r.room.started)), Text: []byte("the server is going down")})
	}
}
