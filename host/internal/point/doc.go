// Package point is the room of the publishing points.
//
// It owns each Point: its state machine, its one source, its renditions' logs and
// the count of its viewers. Packets come in from the session that feeds a point
// (Feed) and from packagers (Rendition.Log); cursors on the logs go out to whoever
// delivers. It never calls a plugin, never touches a socket, and does no work per
// viewer and packet.
package point
