// Package sessionlog is the room of the log of sessions: a line for each viewer and each
// source that has ended, in the W3C extended log file format and with the field names that
// Windows Media Services used.
//
// It owns the files: it names them, begins another one by day or by size, and removes the
// oldest. Events of the journal come in; lines go out. It has one goroutine and a bounded
// queue, nobody waits for it, and a disk that is full or slow costs lines, which are
// counted. It never writes what a peer has said without making it one harmless word.
package sessionlog
