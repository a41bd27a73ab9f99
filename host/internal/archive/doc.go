// Package archive is the room of the files in which points are kept while they are
// streamed.
//
// It owns a recorder for each point that is kept: one goroutine that reads a rendition's log
// as a viewer would, and the file that it writes. What the configuration wants and what
// becomes of points comes in; files go out. A file is playable at every moment, and an ASF
// file is finished when it is closed: its header then says how long it is. A slow disk costs
// packets, which are counted, a full one those of half a minute or the next source, and one
// that answers no more keeps nobody but its recorder; none is noticed by a viewer. It never opens a socket, and never runs on a source's or a
// viewer's goroutine.
package archive
