// Package access is the room that says who may play a point and who may feed it.
//
// It owns the rules of plugins.yaml, the users' hashed passwords, the challenges that
// peers were sent, and the count of failed attempts. What a peer wants to do, from where,
// and the Authorization that it sent come in; a Judgement goes out, with the challenges
// that it is to be answered. It knows HTTP's and RTSP's way to log in (RFC 7235, 7616,
// 7617; RFC 2326 D.1.1), and no other part of a protocol. It never opens a socket, never
// keeps, logs or tells a password, a response or a header field, and runs no more than one
// slow hash at a time.
package access
