package linked

import "github.com/weir-media/weir/sdk"

// plugins lists none. Package native lays a list of all over this file.
func plugins() map[string]func() *sdk.Plugin { return nil }
