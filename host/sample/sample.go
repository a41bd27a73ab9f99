// Package sample holds the short film that a fresh weir shows, so that `make run` has something to play before any encoder exists.
//
// It owns demo.asf. Nothing comes in; the file's bytes go out. It never parses them: the plugins file and asf do, as with any other file.
// README.md says what the film holds and how it was made.
package sample

import _ "embed"

//go:embed demo.asf
var demo []byte

// Demo gives the film, a whole ASF file of 20.48 s that can be played over and over without a seam. All callers share the bytes and must not change
// them. Any number of goroutines may call it.
func Demo() []byte { return demo[:len(demo):len(demo)] }
