//go:build linux

package load_test

import (
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

// plugins is the part of the configuration that all proofs share.
const plugins = `
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  mpegts: {module: "builtin:mpegts"}
  wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
`

// serve starts a server with these points. It is gone when the test ends, after the audience and the encoders, which are made later.
func serve(t *testing.T, points ...string) *hosttest.Server {
	t.Helper()
	return hosttest.Start(t, plugins+"points:\n  "+strings.Join(points, "\n  ")+"\n")
}

// ready waits until viewers of a rendition find media that is as old as a player's fast start.
func ready(t *testing.T, s *hosttest.Server, point, rendition string, units uint64) {
	t.Helper()
	within(t, point+" has "+rendition, func() bool {
		for _, r := range s.Point(point).Renditions {
			if r.Name == rendition && r.NextSequence >= units {
				return true
			}
		}
		return false
	})
}

// innocent fails the test if a plugin has a fault, or if anything at all was dropped.
func innocent(t *testing.T, s *hosttest.Server) {
	t.Helper()
	for _, p := range s.Status().Plugins {
		if p.State != "running" || p.Faults > 0 {
			t.Errorf("plugin %s is %s (%s) with %d faults, the last: %+v", p.Name, p.State, p.Reason, p.Faults, p.LastFault)
		}
	}
}
