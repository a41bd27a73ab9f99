// Package netio is the room where the network begins: it owns the listening
// sockets, the connections that have not yet shown what they speak, TLS, and the
// HTTP front; and the connections that it opens.
//
// In come TCP connections, and datagrams. Of the connections go out, to one Handler, either a raw connection
// whose first bytes matched a plugin's Pattern (a Conn), or one HTTP request
// at a time (an Exchange), which its handler answers or turns into a Conn.
//
// Out go connections to other computers too (Dial), as far as who asks for them allows
// each address, and one HTTP request on each (Ask).
//
// What is not plain TCP is made to look so: a Conn of a TLS connection or an HTTP/2
// stream is one end of a socket pair, and a relay carries on from the other. On the
// way to net/http the bytes of HTTP/1 pass a watch that refuses whatever two servers
// might take apart differently.
//
// It never knows what a plugin is beyond the name in a Pattern, never reads a
// route table, never parses media, and keeps no connection once it has been
// handed over: a Conn belongs to its handler, and survives the Listener.
package netio
