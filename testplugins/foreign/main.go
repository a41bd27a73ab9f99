// Command foreign answers for sessions that were not asked. It speaks the ABI by itself, since the SDK does not
// let that happen.
package main

// main never runs: a module of this kind is a reactor.
func main() {}
