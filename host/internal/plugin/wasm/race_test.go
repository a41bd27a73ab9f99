//go:build race

package wasm

// raced says that the race detector is in, under which wazero's compiler takes ten times as long and no timing means anything.
const raced = true
