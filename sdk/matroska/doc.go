// Package matroska reads what a live stream of Matroska or WebM is made of: elements (RFC
// 8794), the header that a player needs before any media, and the heads of blocks (RFC 9559).
//
// It owns nothing. Bytes of a stream come in; offsets, numbers and views of these bytes go
// out. It never decodes media, reads no more than it is given, and allocates nothing but
// where it is asked to append.
package matroska
