// Package multicast is the room of the destinations that points are sent to unasked:
// multicast groups, and receivers that the configuration names.
//
// It owns a sender for each destination. What the configuration wants and what becomes
// of points and renditions comes in; viewers of the delivery pool and log lines go out.
// A sender waits for its rendition, is attached to it as long as there is one, and waits
// again: a source that leaves and returns goes on. It never opens a socket, never sends
// a datagram itself, and does no work per packet.
package multicast
