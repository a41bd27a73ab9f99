package host

import _ "embed" // the built-in configuration

//go:generate cp ../plugins.yaml default.yaml

//go:embed default.yaml
var defaultConfig []byte

// DefaultConfig gives the text that runs when no file is named: the plugins.yaml at
// the top of the repository. It must not be changed.
func DefaultConfig() []byte { return defaultConfig }
