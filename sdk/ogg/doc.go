// Package ogg reads the pages of an Ogg stream (RFC 3533) and what their first packets say
// of Vorbis, Opus (RFC 7845), Theora, FLAC and Speex: how many packets are header, and
// what time a granule position stands for.
//
// It owns nothing. Bytes of a stream come in; offsets, numbers and views of these bytes go
// out. It never decodes media and allocates nothing but where it is asked to append.
package ogg
