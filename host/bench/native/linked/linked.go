// Package linked names the plugins that are linked into this program.
//
// In the tree there are none: a release runs its plugins in sandboxes. Package native lays another list over this one for a build that is measured
// against a release. A plugin's name comes in, its constructor goes out. It never decides which carrier runs a plugin.
package linked

import "github.com/weir-media/weir/sdk"

// Plugin gives the constructor of a first-party plugin, nil if it is not linked in.
func Plugin(name string) func() *sdk.Plugin { return plugins()[name] }
