//go:build !wasip1

// Package proc makes a plugin a program of its own: it serves the calls of the host that
// started it over gRPC, by way of hashicorp/go-plugin (abi/v1/spec.md 2.3).
//
// It owns the envelope in which frames travel and the program's side of the connection.
// Frames of events come in on streams, each of them an instance of the plugin; the
// plugin's verdicts go out on the same stream. It never looks into a frame, and a panic
// of an instance ends that instance's stream, not the program.
//
// `weir plugin build --proc` adds the file that imports this package and calls Carry, so
// a plugin's own source is the same for all carriers. The host uses the other half: the
// Handshake, the Client and the Codec.
package proc
