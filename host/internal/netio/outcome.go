package netio

import "sync/atomic"

// Outcome says what became of an accepted connection at the end of sniffing.
type Outcome uint8

// The outcomes. All but the first two end in a closed connection.
const (
	OutcomeHTTP       Outcome = iota // went to the HTTP front
	OutcomeRaw                       // matched a pattern, went to ServeRaw
	OutcomeUnknown                   // its bytes can match nothing here
	OutcomeTLS                       // a TLS ClientHello on a plain port
	OutcomeMMS                       // an MMS greeting that no pattern takes
	OutcomeTimeout                   // undecided at the end of SniffTimeout
	OutcomePeerClosed                // closed by the peer while undecided
	OutcomeBusy                      // more than maxSniffing connections undecided
	OutcomeClosing                   // the listener closed first
	outcomes
)

var outcomeNames = [outcomes]string{
	"http", "raw", "unknown", "tls_on_plain", "mms_untaken", "timeout", "peer_closed", "busy", "closing",
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
	AcceptErrors   uint64           // failed accepts, each followed by a pause
	Requests       uint64           // HTTP requests given to the Handler
	WriteOverflows uint64           // Conns closed by TryWrite
	Sniffed        [outcomes]uint64 // connections, indexed by Outcome
}

// counters are the live values behind Stats.
type counters struct {
	accepted, acceptErrors, requests, writeOverflows atomic.Uint64
	sniffed                                          [outcomes]atomic.Uint64
}

func (c *counters) snapshot() Stats {
	s := Stats{
		Accepted:       c.accepted.Load(),
		AcceptErrors:   c.acceptErrors.Load(),
		Requests:       c.requests.Load(),
		WriteOverflows: c.writeOverflows.Load(),
	}
	for i := range c.sniffed {
		s.Sniffed[i] = c.sniffed[i].Load()
	}
	return s
}
