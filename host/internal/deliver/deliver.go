// Package deliver sends a rendition's bytes to its many viewers.
//
// A Pool owns a fixed number of workers, and each worker owns its viewers: their
// sockets, their cursors and what is still to be written to them. In come attached
// sockets, orders to single viewers and the growth of logs; out go non-blocking
// sends of memory that all viewers share. There is no goroutine, lock or
// allocation per viewer and packet. The bytes of a viewer are packet-exact:
// whatever is written between, packets are whole and in order. The package never
// knows a protocol and never calls a plugin.
package deliver

import (
	"errors"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

var (
	// ErrClosed is returned once the pool is closed.
	ErrClosed = errors.New("deliver: pool is closed")
	// ErrDetached is returned once the viewer has left the pool.
	ErrDetached = errors.New("deliver: viewer is detached")
	// ErrWriteOverflow is returned when a viewer owes more than it may.
	ErrWriteOverflow = errors.New("deliver: too many bytes are waiting to be written")
)

// PendingBytes is the most that Write may leave waiting for one viewer (abi: WRITE).
const PendingBytes = 16 << 10

// LagRule says what happens to a viewer that is too far behind.
type LagRule uint8

const (
	// LagSkip goes on with the newest key packet; what is left out is counted.
	LagSkip LagRule = iota
	// LagDrop closes the viewer.
	LagDrop
)

// Mode says what follows after a rule's bytes.
type Mode uint8

const (
	// Continue goes on with the new packets. At a source's end it is as Wait.
	Continue Mode = iota
	// Close closes the viewer once the bytes are sent.
	Close
	// Event holds the viewer and calls Sink.Held; Resume goes on.
	Event
	// Wait holds the viewer until Resume, Switch or Close.
	Wait
)

// Rule says what is sent at a turning point of the rendition, at the packet
// boundary, and what then. The zero value goes on and sends nothing. Bytes is
// shared and must not change.
type Rule struct {
	Mode  Mode
	Bytes []byte
}

// Attach describes a viewer to be served.
type Attach struct {
	FD       int    // stream socket
	Leftover []byte // input read from the peer before; given to the sink first
	Head     []byte // sent before anything else; shared, must not change

	Log    *stream.Log
	Cursor stream.Cursor // of Log; its header counts as sent with Head

	OnLag    LagRule
	MaxLag   time.Duration // media time, as Cursor.Lag counts it; 0: only the log's window bounds it
	OnChange Rule          // the next packet has another header
	OnEnd    Rule          // the log has ended
	Hold     bool          // send Head and what is written, no packets before Resume
	Latency  time.Duration // the longest that packets are gathered; 0: the pool's
	// BurstRate is the most that a viewer which is behind is sent, in multiples of the
	// stream's own rate; 0: as fast as its socket takes it, and of AttachUDP burstRate.
	BurstRate float64
	Buffers   Buffers
	Sink      Sink   // may be nil: input is discarded
	By        string // whose viewer it is, for Account; one of few, such as a plugin's name
}

// Buffers bound what waits for one viewer, in bytes. Each zero value means its default.
type Buffers struct {
	Send    int // SO_SNDBUF, which the kernel doubles; the pool's
	Pending int // what Write may leave waiting; PendingBytes
}

// Sink is told of a viewer's fate. Its methods run on a worker's goroutine and
// must not block; they may call the viewer's methods.
type Sink interface {
	// Readable hands over input from the peer; b is valid during the call.
	Readable(b []byte)
	// Held says that a rule of mode Event holds the viewer, with HeaderChange or
	// SourceEnd, or that Hold does, with Detached. Writes that follow are sent after
	// the rule's bytes.
	Held(why Reason)
	// Detached is called once, last. Unless the reason is Detached the socket is
	// closed when it returns; with Detached the socket belongs to the caller of
	// Attach again.
	Detached(Stats, Reason)
}

// Reason says why a viewer left the pool, or is held.
type Reason uint8

// The reasons, as they stand in logs and as metric labels.
const (
	None          Reason = iota // still attached
	PeerClosed                  // the peer closed or reset the connection
	WriteError                  // the socket failed otherwise
	Lag                         // too far behind, by LagDrop
	Stalled                     // the peer took nothing for Options.Stall
	WriteOverflow               // more than Buffers.Pending waiting
	HeaderChange                // by OnChange
	SourceEnd                   // by OnEnd
	Closed                      // by Close or Finish
	Detached                    // by Detach
	Shutdown                    // by Pool.Close
	reasons
)

var reasonNames = [reasons]string{
	"none", "peer_closed", "write_error", "lag", "stalled", "write_overflow",
	"header_change", "source_end", "closed", "detached", "shutdown",
}

// String gives the reason as a metric label.
func (r Reason) String() string {
	if r >= reasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Reasons lists all reasons for which a viewer may leave.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := PeerClosed; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}
