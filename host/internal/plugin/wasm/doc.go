// Package wasm is the carrier for plugins built as WebAssembly modules (abi/v1/spec.md 2.1, 2.2), run by wazero.
//
// It owns the compiled module, the wazero runtime, the guest's memory and its clock. A module's bytes come in through Open and frames through
// plugin.Instance; Generations, Instances and Faults go out. Before any code of a guest runs the module is parsed here and judged: its exports, its
// imports, its manifest, its tables and memory. It never gives a guest files, arguments, environment, sockets or a clock that moves, and never
// looks into the verdicts.
//
// What stops a guest: each function that may recurse and each loop of it asks whether the deadline has passed (harden.go and wazero's
// WithCloseOnContextDone), the deadline counts the guest's own running time (deadline.go), memory and tables cannot grow past their limits,
// and the stack is bounded by wazero.
package wasm
