// Package session is the room where events and verdicts meet.
//
// It owns the sessions: their held state, their input, their place in the queue of
// the plugin that speaks for them. What happens on connections, points and timers
// comes in and becomes events; the verdicts that a plugin answers are judged as one
// batch and applied here, on points, connections and viewers. Each plugin has one
// Runner, whose goroutine owns all sessions of that plugin, so that a session needs
// no lock. It never parses a protocol and never touches media for a viewer.
//
// Input is a stream of bytes, whose writer waits for room, or datagrams, which wait for
// nobody: beyond what their inlet holds the newest are dropped and counted.
//
// A batch is applied in two passes over the same records: reserve checks each verdict
// and takes what it needs; only if all succeed does commit carry them out, and commit
// cannot fail.
package session
