// Package wasm is the carrier for plugins built as WebAssembly modules (abi/v1/spec.md 2.1, 2.2), run by wazero.
//
// It owns the compiled module, the wazero runtime, the guest's memory and its clock. A module's bytes come in through Open and frames through
// plugin.Instance; Generations, Instances and Faults go out. Before any code of a guest runs the module is parsed here and judged: its exports, its
// imports, its manifest, its tables and memory. It never gives a guest files, arguments, environment, sockets or a clock that moves, and never
// looks into the verdicts. A module that would take too long to compile is refused (tangle.go): nothing ends a compilation.
//
// What stops a guest is the meter (meter.go), a pass over the module that makes its code stop by itself and ask the host for more fuel; the host
// counts the guest's own running time there and gives others their turn (refuel.go). Memory and tables cannot grow past their limits, and recursion
// not past its depth. Functions of the host are Go's own code, but count for the guest's time.
package wasm
