package session

import "github.com/weir-media/weir/abi/v1"

// Drain tells all sources that the server is ending, so that encoders get their
// protocol's answer, and starts none anew. Viewers are not touched: they end with
// their points. It returns when each plugin has answered, or has had its time.
func (room *Room) Drain() {
	room.sources.stop()
	for _, r := range room.Runners() {
		r.together(func(w *worker) { w.stopAll(abi.StopDraining, "the server is going down", (*Session).hasPeer) })
	}
}

// hasPeer reports whether somebody outside is at the session who is no viewer.
func (s *Session) hasPeer() bool {
	return s.view == nil && s.kind != kindFormat && s.kind != kindPackager && s.kind != kindDocument
}

// HasPeers tells whether a plugin still talks to somebody outside: a viewer, an encoder,
// or whoever has a connection to it.
func (room *Room) HasPeers() (has bool) {
	for _, r := range room.Runners() {
		r.each(func(w *worker) {
			for _, s := range w.sessions {
				has = has || s.kind == kindExchange || s.kind == kindRaw
			}
		})
	}
	return has
}
