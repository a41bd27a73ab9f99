// Package abisource holds the Go sources of package abi, version 1, so that the
// author's tools can write them into a plugin's folder and the plugin builds without
// this module.
//
// It owns nothing else, takes nothing in and gives out files. It is a package of its
// own so that a guest, which imports abi/v1 only, does not carry the text; tests of
// abi are left out. go:embed has no way to say so but the list of files, and a test
// compares that list with the folder.
package abisource

import "embed"

//go:embed v1/coder.go v1/datagram.go v1/doc.go v1/event.go v1/frame.go v1/keys.go v1/list.go v1/login.go v1/op.go v1/summary.go v1/verdict.go v1/visit_event.go v1/visit_verdict.go
var sources embed.FS

// Sources gives the files, read-only, under their paths from this folder: "v1/doc.go".
// It is safe for concurrent use.
func Sources() embed.FS { return sources }
