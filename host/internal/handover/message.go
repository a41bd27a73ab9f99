package handover

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Greeting opens both directions. Protocol and Version come first in every version; the rest holds if they agree.
type Greeting struct {
	Protocol string   `json:"protocol"` // always "weir take-over"
	Version  int      `json:"version"`
	PID      int      `json:"pid"`
	Release  string   `json:"release"` // of weir
	Points   []string `json:"points"`  // to which encoders push
	Failed   Failures `json:"failed"`
	// Stopped are the points that an operator has stopped, with the reasons.
	Stopped map[string]string `json:"stopped,omitempty"`
	// Started are those that an operator has started against the configuration.
	Started []string `json:"started,omitempty"`
	// Templates are the patterns of the names of points that the process makes for sources.
	Templates []string `json:"templates,omitempty"`
	// Made are the points that the process has made of which the other one has a template, too.
	// They are among Points.
	Made []Made `json:"made,omitempty"`
}

// Made is a point that was made from a template.
type Made struct {
	Name        string `json:"name"`
	Model       string `json:"model,omitempty"`        // the point whose settings it has; empty: it has the template's
	AutoDestroy bool   `json:"auto_destroy,omitempty"` // it goes with its source
}

// Failures are what does not work in a process, by name. The zero value has none.
type Failures struct {
	Listeners []string `json:"listeners,omitempty"`
	Plugins   []string `json:"plugins,omitempty"` // those that are switched off too
}

const protocol = "weir take-over"

// NewGreeting is the greeting of this process.
func NewGreeting(pid int, release string, points []string) Greeting {
	return Greeting{Protocol: protocol, Version: Version, PID: pid, Release: release, Points: points}
}

// Check says why two processes cannot talk; nil if they can.
func (g Greeting) Check() error {
	switch {
	case g.Protocol != protocol:
		return fmt.Errorf("take-over connection: the other side is no weir")
	case g.Version != Version:
		return fmt.Errorf("take-over connection: the other weir (%s) speaks version %d of take-over, this one version %d; stop the old one and start the new one without --takeover",
			g.Release, g.Version, Version)
	}
	return nil
}

// Text is a reason; empty for success.
type Text struct {
	Text string `json:"text"`
}

// Group is a set of sockets or other descriptors that belong together. One frame brings MaxFiles of them at most; the next with the same What and Name
// goes on.
type Group struct {
	What      string   `json:"what"` // "tcp", "udp", "steer", "admin"
	Name      string   `json:"name"` // of the listener
	Addresses []string `json:"addresses"`
}

// Source describes a stream of packets.
type Source struct {
	Point     string `json:"point"`
	Rendition string `json:"rendition"`
	Owner     string `json:"owner"`
	First     uint64 `json:"first"`   // sequence number of the first packet that comes
	Sources   uint64 `json:"sources"` // how many have fed the point
}

// Tally is what the old process still has, and what those before it have that it relays for.
type Tally struct {
	Moved   int `json:"moved"`
	Relayed int `json:"relayed"` // sources whose packets come from the old process
	Viewers int `json:"viewers"` // of all processes before this one
}

// Marshal gives a message as a frame's body.
func Marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only types of this program are marshalled
	}
	return b
}

// Unmarshal reads a message.
func Unmarshal(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}

// Pack joins a message with raw bytes that it describes.
func Pack(v any, raw ...[]byte) []byte {
	text := Marshal(v)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	return append(append(b, text...), bytes.Join(raw, nil)...)
}

// Unpack reads what Pack made. raw is a view of b.
func Unpack(b []byte, v any) (raw []byte, err error) {
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, fmt.Errorf("%w: truncated", errFrame)
	}
	n := int(binary.LittleEndian.Uint32(b))
	return b[4+n:], Unmarshal(b[4:4+n], v)
}
