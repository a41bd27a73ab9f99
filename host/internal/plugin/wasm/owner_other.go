//go:build !unix

package wasm

import "io/fs"

// ownedByMe cannot be told here, so no folder is trusted.
func ownedByMe(fs.FileInfo) bool { return false }
