package netio

import (
	"bytes"
	"fmt"
)

// udpRoutes are the patterns that a flow's first datagram is compared with:
// immutable.
type udpRoutes []Pattern

// newUDPRoutes copies patterns. Unlike a connection's, one may have no bytes:
// it takes what no other does.
func newUDPRoutes(patterns []Pattern) (udpRoutes, error) {
	r := make(udpRoutes, 0, len(patterns))
	for _, p := range patterns {
		if len(p.Bytes) > 0 || len(p.Mask) > 0 {
			if err := p.validate(); err != nil {
				return nil, fmt.Errorf("datagram %w", err)
			}
		}
		p.Bytes, p.Mask = bytes.Clone(p.Bytes), bytes.Clone(p.Mask)
		r = append(r, p)
	}
	return r, nil
}

// route names the plugin whose pattern matches most bits of a datagram, of
// equals the first.
func (r udpRoutes) route(datagram []byte) (plugin string, ok bool) {
	best := -1
	for i := range r {
		if m := r[i].compare(datagram); m.full && m.bits > best {
			plugin, best, ok = r[i].Plugin, m.bits, true
		}
	}
	return plugin, ok
}
