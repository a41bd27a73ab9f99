package netio

import "sync/atomic"

// Outcome says what became of an accepted connection at the end of sniffing.
type Outcome uint8

// The outcomes. All but the first three end in a closed connection.
const (
	OutcomeHTTP       Outcome = iota // went to the HTTP front
	OutcomeHTTP2                     // chose HTTP/2 in its TLS handshake, went to the HTTP front
	OutcomeRaw                       // matched a pattern, went to ServeRaw
	OutcomeUnknown                   // its bytes can match nothing here
	OutcomeTLS                       // a TLS ClientHello on a plain port
	OutcomePlain                     // no TLS on a TLS port
	OutcomeHandshake                 // the TLS handshake failed
	OutcomeMMS                       // an MMS greeting that no pattern takes
	OutcomeRTSP                      // an RTSP request that no pattern takes
	OutcomeTimeout                   // undecided at the end of SniffTimeout
	OutcomePeerClosed                // closed by the peer while undecided
	OutcomeBusy                      // the oldest undecided one, when there were more than maxSniffing or no descriptors left
	OutcomeClosing                   // the listener closed first
	outcomes
)

var outcomeNames = [outcomes]string{
	"http", "http2", "raw", "unknown", "tls_on_plain", "plain_on_tls", "tls_handshake",
	"mms_untaken", "rtsp_untaken", "timeout", "peer_closed", "busy", "closing",
}

// String is the outcome's metric label.
func (o Outcome) String() string {
	if o < outcomes {
		return outcomeNames[o]
	}
	return "invalid"
}

// Outcomes lists every Outcome, in order, for those who make labels of them.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomes)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// Stats is a snapshot of a Listener's counters since Listen. The zero value is
// a listener that has seen nothing.
type Stats struct {
	Accepted       uint64           // connections
	AcceptErrors   uint64           // failed accepts, each followed by a pause or an eviction
	Requests       uint64           // HTTP requests given to the Handler
	WriteOverflows uint64           // Conns closed by TryWrite
	BadFraming     uint64           // requests refused, since their end could be read in two ways
	Evicted        uint64           // connections closed, oldest first: HTTP's since too many waited for a request, undecided ones too where descriptors ran out
	Sniffed        [outcomes]uint64 // connections, indexed by Outcome
}

// counters are the live values behind Stats.
type counters struct {
	accepted, acceptErrors, requests, writeOverflows, badFraming, evicted atomic.Uint64

	sniffed [outcomes]atomic.Uint64
}

func (c *counters) snapshot() Stats {
	s := Stats{
		Accepted:       c.accepted.Load(),
		AcceptErrors:   c.acceptErrors.Load(),
		Requests:       c.requests.Load(),
		WriteOverflows: c.writeOverflows.Load(),
		BadFraming:     c.badFraming.Load(),
		Evicted:        c.evicted.Load(),
	}
	for i := range c.sniffed {
		s.Sniffed[i] = c.sniffed[i].Load()
	}
	return s
}
