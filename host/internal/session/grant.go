package session

import (
	"net/netip"
	"path"

	"github.com/weir-media/weir/host/internal/manifest"
)

// Grant is what plugins.yaml allows a plugin, already cut down to what its manifest
// asks. A nil function allows nothing.
type Grant struct {
	Attach    func(point string) bool         // may its viewers be attached to the point?
	Publish   func(point string) bool         // may it feed the point?
	Documents bool                            // may it answer for documents?
	Read      func(file string) bool          // may it read the file, a path below the configuration's folder?
	Listen    func(at netip.AddrPort) bool    // may it receive datagrams at this address of the computer's own?
	Group     func(group netip.AddrPort) bool // may it receive the multicast group?
	// Dial: may it connect, by "tcp" or "udp", to this address of a host that it named?
	Dial func(network, host string, to netip.AddrPort) bool
}

// cut gives what of a grant a manifest asks for.
func (g *Grant) cut(m *manifest.Manifest) (less Grant) {
	if m.Asks(manifest.CapAttach) {
		less.Attach = g.Attach
	}
	if m.Asks(manifest.CapPublish) {
		less.Publish = g.Publish
	}
	if m.Asks(manifest.CapRead) {
		less.Read = g.Read
	}
	if m.Asks(manifest.CapListen) {
		less.Listen = g.Listen
	}
	if m.Asks(manifest.CapGroup) {
		less.Group = g.Group
	}
	if m.Asks(manifest.CapDial) {
		less.Dial = g.Dial
	}
	less.Documents = g.Documents && m.Asks(manifest.CapDocuments)
	return less
}

func (g Grant) attaches(point string) bool  { return g.Attach != nil && g.Attach(point) }
func (g Grant) publishes(point string) bool { return g.Publish != nil && g.Publish(point) }

func (g Grant) reads(file string) bool {
	return g.Read != nil && path.Clean(file) == file && g.Read(file)
}
