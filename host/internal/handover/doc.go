// Package handover is the room of the take-over connection, by which one process passes its work to the next.
//
// It owns the form of what goes over a unix socket between two servers: frames with a kind, a stream and a body, and open descriptors that travel with
// them. Frames come in from the host's take-over and from its relays of packets; the same frames go out on the other side. The path of the socket is
// made here too: owner only, put in place by a rename, so that at no moment nobody answers there.
//
// It never knows what a listener, a session or a point is, and keeps no descriptor: received ones are whoever's reads the frame.
package handover

// Version is that of the frames and of what their bodies mean. Both sides must have the same.
const Version = 1
