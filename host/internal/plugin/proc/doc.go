// Package proc carries plugins that are programs of their own, by hashicorp/go-plugin (abi/v1/spec.md 2.3).
//
// It owns a plugin's process: a copy of its executable that nobody can change, the account and the limits under which it runs, its folder with
// the socket, its log, and its next process when one has died. An executable's path comes in to Open and frames of events to an Instance; frames of
// verdicts and Faults go out. Each Instance is one stream of the one process, so a death takes all calls that are under way with it and blames
// none of them (Fault.Lost); a process that replaces another makes its calls one after another at first, so that what was lost is judged by what it
// does alone. It never makes a call twice, never reads a verdict, trusts nothing that a program says, and never runs a plugin as root.
package proc
