// Package session is the room where events and verdicts meet.
//
// It owns the sessions: their held state, their input, their place in the queue of
// the plugin that speaks for them. What happens on connections, points and timers
// comes in and becomes events; the verdicts that a plugin answers are judged as one
// batch and applied here, on points, connections and viewers. Each plugin has one
// Runner with one worker or several; a session belongs to one worker, whose goroutine
// alone touches it, so that it needs no lock. A worker tells its sessions of events in an
// era: one generation of the plugin with the instance that runs of it. It never parses a
// protocol and never touches media for a viewer.
//
// A reload begins an era in each worker. Sessions whose state the new generation reads
// enter it before their next event, packagers at their next key packet; the others stay
// in theirs until they end or its time is over. The generation before is kept for a
// minute, to come back if the new one faults more (trial.go).
//
// Input is a stream of bytes, whose writer waits for room, or datagrams, which wait for
// nobody: beyond what their inlet holds the newest are dropped and counted.
// What an encoder sends in many pieces waits to become one event, as long as the viewers'
// next send would wait for it anyway (gather.go).
//
// A session of an HTTP request may have keys: then it waits for further requests, which
// other sessions, wherever they are told of them, give to it (keys.go). A source may come
// to a point that is not there: it is made from a template (made.go).
//
// A batch is applied in two passes over the same records: reserve checks each verdict
// and takes what it needs; only if all succeed does commit carry them out, and commit
// cannot fail.
package session
