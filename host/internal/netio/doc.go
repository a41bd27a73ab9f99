// Package netio is the room where the network begins: it owns the listening
// sockets, the connections that have not yet shown what they speak, and the
// HTTP/1 front.
//
// In come TCP connections. Out go, to one Handler, either a raw connection
// whose first bytes matched a plugin's Pattern (a Conn), or one HTTP request
// at a time (an Exchange), which its handler answers or turns into a Conn.
//
// It never knows what a plugin is beyond the name in a Pattern, never reads a
// route table, never parses media, and keeps no connection once it has been
// handed over: a Conn belongs to its handler, and survives the Listener.
package netio
