// Package thread is what a goroutine that computes for long needs: how long the thread that it is on has run, and a way to give its turn to others,
// those included that wait for the network. In comes nothing, out go a clock's values; it has one descriptor for the process, from the first Yield on.
package thread
