// Package dgram is what rooms that send datagrams by raw calls have in common: socket
// addresses of either family, the option that names a datagram's source, and the queue in
// which the kernel keeps what ICMP says of datagrams that were sent.
//
// In come addresses, and descriptors of sockets with IP_RECVERR; out go bytes for the
// kernel, and errors, each with the destination that it is about. Whose destination that
// is, and what becomes of it, is its callers' to know. The package owns no socket, keeps
// nothing between calls, never waits, and allocates for nothing but the look for a zone.
package dgram
