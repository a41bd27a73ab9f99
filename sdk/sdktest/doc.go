// Package sdktest runs conversation scripts against a plugin: what happens to it, line
// by line, and what it must answer. The same scripts run against the plugin natively
// and, through a Carrier, against its Wasm module inside a host.
//
// It owns a small host in memory: it keeps each session's held state and input, hands
// them in, advances time, and refuses what a real host would refuse (a span outside the
// input, a foreign session, a FAIL beside other verdicts). Scripts come in; errors that
// name the script's line go out. It never opens a socket and reads no clock.
//
//	func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }
//	func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }
//
// Where a script cannot say enough, a Rig is driven by the test itself.
//
// # Scripts
//
// A script is lines. "#" begins a comment line; a line that begins with a blank goes on
// with the line above. An event line is followed by what is expected of its answer.
//
//	open {"fast_start_ms": 0}      the configuration, before the first event; {} otherwise
//	entropy 00112233…              16 bytes in hexadecimal, for the events from here on
//	session 2                      the events from here on are of this session; at first 1
//	> OP field=value …             an event
//	| GET /live HTTP/1.0           lines of a request as captured; they follow "> HTTP_REQUEST …"
//	> "bytes" …                    input: more bytes of a connection, delivered as DATA
//	@ 1.5s                         time passes; timers run out
//	! OP field=value …             expects a verdict with at least these fields, after the last one expected
//	!! OP field=value …            the same, but as the very next verdict
//	!!                             expects no further verdict
//	< "bytes" …                    expects these as the next payload bytes
//
// OP is a record's name in the specification, a field the Go name of the abi struct's
// field in lower case; "point.name" is a field of a field. Values:
//
//	word   "text\r\n"              bytes; quoted as in Go
//	hex:0a0b_0c   @file            bytes in hexadecimal, or of a file beside the script
//	42   0x2A   3s                 numbers; a duration is a number of nanoseconds
//	live   key|discontinuity       numbers that the abi package gives names to
//	{name=asf generation=1}        an item of a list; a list's field is repeated for each item
//	"Name: value"                  an item of a list of header fields
//
// With "=" bytes are equal; with "~=" they contain the value. A list's field expects an
// item like the one given, anywhere in the list.
//
// Input lines may say conn=N (1 otherwise) and end with the word "last". With the word
// "datagrams" each value is a datagram of a flow, all of one DATAGRAMS; lost=N says how
// many were dropped before. The engine
// delivers what is not consumed, delivers again as long as the plugin consumes, and
// minds NEED and FEED with FeedThrough.
//
// The payload bytes of an answer are the pieces of its WRITE, SEND, HTTP_RESPONSE, ATTACH,
// DOCUMENT, HEADER, PACKET and FEED verdicts, one after another, and what went through
// to the child. Spans are resolved. A rendition's header that the script has not given
// stands as {header POINT RENDITION}, a packet's bytes as {packet SEQUENCE OFFSET SIZE}.
// Where "<" occurs, all payload bytes of the answer must be expected; where it does not,
// none are looked at.
//
// A FAIL that no line expects fails the script. Sessions and connections of the engine
// are not opened: a script begins with whatever event it likes.
package sdktest
