package admin

import (
	"fmt"
	"strings"
	"time"
)

// Status is the whole server at one moment. Lists are sorted by name. Whoever asked for it owns it.
type Status struct {
	Version   string     `json:"version"`
	Started   time.Time  `json:"started"`
	Config    string     `json:"config"` // path of the file, or "built-in default"
	Listeners []Listener `json:"listeners"`
	Plugins   []Plugin   `json:"plugins"`
	Points    []Point    `json:"points"`
	Limits    Limits     `json:"limits"`
	Steer     *Steer     `json:"steer,omitempty"`    // while steering is in use
	Takeover  *Takeover  `json:"takeover,omitempty"` // while the server before this one still serves
	Deliver   Deliver    `json:"deliver"`
	Notes     []Note     `json:"notes,omitempty"`
	Access    *Access    `json:"access,omitempty"` // while there are rules
	Audience  Audience   `json:"audience"`         // of all points
	Records   *Records   `json:"records,omitempty"`
}

// Takeover is what the process still has that this one has taken over from, and what those before it have.
type Takeover struct {
	FromPID        int `json:"from_pid"`
	ViewersLeft    int `json:"viewers_left_there"` // of all processes before this one
	SourcesRelayed int `json:"sources_relayed"`    // their encoders are still connected there
}

// Note is something about the server as a whole that an operator should know.
type Note struct {
	Code   string `json:"code,omitempty"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// States of a Listener.
const (
	ListenerOpen     = "open"
	ListenerFailed   = "failed"
	ListenerDisabled = "disabled" // by the configuration
)

// Listener is a set of bound addresses, or why they are not bound.
type Listener struct {
	Name      string            `json:"name"`
	Protocol  string            `json:"protocol"`          // tcp, udp
	TLS       bool              `json:"tls,omitempty"`     // it speaks TLS
	Rung      string            `json:"rung,omitempty"`    // how it came by its addresses: inherited, bind, steer; several joined by "+"
	Addresses []string          `json:"addresses"`         // as bound if open, else as configured
	Steered   []string          `json:"steered,omitempty"` // claims that steering brings: "127.0.0.2:80", "10.0.0.0/8:20000-20999"
	State     string            `json:"state"`
	Code      string            `json:"code,omitempty"`   // of a failed one, "0xC00D158B"
	Reason    string            `json:"reason,omitempty"` // what went wrong, one line
	Holder    string            `json:"holder,omitempty"` // the program that has the address: "nginx (pid 123)"
	Remedy    string            `json:"remedy,omitempty"` // what the operator can do, one line
	Plugins   []string          `json:"plugins"`
	Accepted  uint64            `json:"accepted"`            // connections
	Requests  uint64            `json:"requests"`            // HTTP
	Outcomes  map[string]uint64 `json:"outcomes"`            // connections by netio.Outcome, and bad_framing (requests) and evicted (undecided or idle ones, for newcomers); those of 0 are left out
	Datagrams *Datagrams        `json:"datagrams,omitempty"` // of a UDP listener that is open
}

// Datagrams is what a UDP listener does now, and what it has counted since it opened.
type Datagrams struct {
	Spread   string            `json:"spread"` // how they are spread over the workers: ebpf, cbpf, hash, one
	Workers  int               `json:"workers"`
	Flows    int               `json:"flows"` // open
	Received uint64            `json:"received"`
	Bytes    uint64            `json:"bytes"` // of payload
	Sent     uint64            `json:"sent"`
	Refused  uint64            `json:"refused"` // flows, by their plugin
	Dropped  map[string]uint64 `json:"dropped"` // datagrams, by reason; those of 0 are left out
}

// Steer counts what the kernel's steering program does.
type Steer struct {
	Listeners []Steered `json:"listeners"`
	Runs      uint64    `json:"runs"`      // of the program, one for each look-up
	RunNanos  float64   `json:"run_nanos"` // mean of one run, from the kernel's statistics; 0: it does not tell
}

// Steered counts look-ups that claims of a listener covered.
type Steered struct {
	Listener string `json:"listener"`
	Protocol string `json:"protocol"`
	Lookups  uint64 `json:"lookups"` // new connections, and datagrams
	Misses   uint64 `json:"misses"`  // no socket stood
	Errors   uint64 `json:"errors"`  // the kernel refused the socket
}

// States of a Plugin.
const (
	PluginDisabled    = "disabled"
	PluginStarting    = "starting"
	PluginRunning     = "running"
	PluginFailed      = "failed"
	PluginQuarantined = "quarantined"
	PluginDraining    = "draining"
)

// PluginStates lists them.
func PluginStates() []string {
	return []string{PluginDisabled, PluginStarting, PluginRunning, PluginFailed, PluginQuarantined, PluginDraining}
}

// Plugin is a plugin of the configuration. Version, Generation and Hash are zero while nothing is loaded.
type Plugin struct {
	Name       string    `json:"name"`
	Version    string    `json:"version,omitempty"`
	State      string    `json:"state"`
	Code       string    `json:"code,omitempty"`   // "0xC00D157D"; see weir error
	Reason     string    `json:"reason,omitempty"` // why it is in this state; empty while running
	Generation uint64    `json:"generation,omitempty"`
	Hash       string    `json:"hash,omitempty"` // SHA-256 of the module, hex
	Listeners  []string  `json:"listeners"`
	Sessions   int       `json:"sessions"`
	Instances  int       `json:"instances"`             // running copies that take new sessions
	Spares     int       `json:"spares,omitempty"`      // started, and waiting to take the place of one that fails
	Staying    []Staying `json:"staying,omitempty"`     // sessions of older generations
	RolledBack string    `json:"rolled_back,omitempty"` // why the last change of its module was taken back; empty: it was not
	Carriage
	Work
	Spending
	Blame
	Limits  *PluginLimits     `json:"limits,omitempty"`  // nil while nothing is loaded
	Limited map[string]uint64 `json:"limited,omitempty"` // how often a session would have held more, by the limit's key in plugins.yaml
}

// Staying are sessions that a reload has left with an older generation, since the new one does not read their state, and packagers that wait for the key
// packet at which they go over.
type Staying struct {
	Generation uint64    `json:"generation"`
	Version    string    `json:"version"`
	Sessions   int       `json:"sessions"`
	Packagers  int       `json:"packagers"`
	Until      time.Time `json:"until"` // when they end, if they have not by then
}

// StayingText is for people; empty if nothing stays.
func StayingText(all []Staying) string {
	var parts []string
	for _, x := range all {
		which := fmt.Sprintf("with generation %d", x.Generation)
		switch {
		case x.Sessions == 1:
			parts = append(parts, "1 session stays "+which+", until "+x.Until.Format("15:04"))
		case x.Sessions > 1:
			parts = append(parts, fmt.Sprintf("%d sessions stay %s, until %s", x.Sessions, which, x.Until.Format("15:04")))
		}
		switch {
		case x.Packagers == 1:
			parts = append(parts, "1 packager goes over at the next key packet")
		case x.Packagers > 1:
			parts = append(parts, fmt.Sprintf("%d packagers go over at their next key packets", x.Packagers))
		}
	}
	return strings.Join(parts, "; ")
}

// Carriage is what runs a plugin. The zero value is nothing.
type Carriage struct {
	Carrier  string `json:"carrier,omitempty"`  // "wasm" or "proc"; empty while nothing is loaded
	PID      int    `json:"pid,omitempty"`      // of the process; 0: none runs, or it needs none
	Restarts uint64 `json:"restarts,omitempty"` // processes after the first, of this generation
}

// Work counts what a plugin has done since the server started, over all generations.
type Work struct {
	Calls       uint64  `json:"calls"`
	Events      uint64  `json:"events"`
	SlowCalls   uint64  `json:"slow_calls"`
	Refused     uint64  `json:"refused"` // batches of verdicts
	Faults      uint64  `json:"faults"`
	BusySeconds float64 `json:"busy_seconds"`
}

// States of a Point are those of package point: idle, waiting, live, draining, failed, stopped.

// Point is a publishing point.
type Point struct {
	Name        string      `json:"name"`
	Template    string      `json:"template,omitempty"` // it was made from when an encoder came; empty: plugins.yaml names it
	State       string      `json:"state"`
	Code        string      `json:"code,omitempty"` // "0xC00D157E"; see weir error
	Reason      string      `json:"reason,omitempty"`
	Source      string      `json:"source,omitempty"` // who feeds it; empty while nobody does
	SourceSince time.Time   `json:"source_since,omitzero"`
	Sources     uint64      `json:"sources"` // how many have fed it
	Viewers     int         `json:"viewers"`
	MaxViewers  int         `json:"max_viewers,omitempty"` // 0: no limit
	Renditions  []Rendition `json:"renditions"`
	Delivery    Delivery    `json:"delivery"`
	Parts       []Part      `json:"parts,omitempty"` // of Delivery
	Multicast   []Multicast `json:"multicast,omitempty"`
	Audience    Audience    `json:"audience"`
	Archive     *Archive    `json:"archive,omitempty"`
}

// Rendition is a point's content in one wire form.
type Rendition struct {
	Name           string  `json:"name"`
	From           string  `json:"from,omitempty"` // the rendition it is made of
	HeaderBytes    int     `json:"header_bytes"`
	Generation     uint64  `json:"generation"` // of the header
	OldestSequence uint64  `json:"oldest_sequence"`
	NextSequence   uint64  `json:"next_sequence"`
	HeldBytes      int     `json:"held_bytes"`
	MaxHeldBytes   int     `json:"max_held_bytes"`          // limits.buffer
	EarlyPackets   uint64  `json:"early_packets,omitempty"` // left the buffer before their time, since MaxHeldBytes were taken
	HeldSeconds    float64 `json:"held_seconds"`            // media time
	NewestSeconds  float64 `json:"newest_seconds"`          // media time of the newest packet; the point's first was near 0
}

// Limits is what bounds the server as a whole. A field is 0 where the system does not tell. Measure fills it.
type Limits struct {
	CPUs           int    `json:"cpus"`
	OpenFiles      int    `json:"open_files"` // descriptors, sockets among them
	MaxOpenFiles   uint64 `json:"max_open_files"`
	MemoryBytes    uint64 `json:"memory_bytes"`               // that the Go runtime has from the system
	MaxMemoryBytes uint64 `json:"max_memory_bytes,omitempty"` // GOMEMLIMIT; 0: none
}

// Deliver counts what went to viewers since the server started.
type Deliver struct {
	Viewers        int               `json:"viewers"`
	Waiting        int               `json:"waiting"` // of these, with a full socket
	Bytes          uint64            `json:"bytes"`
	Packets        uint64            `json:"packets"`
	Sends          uint64            `json:"sends"`
	BytesPerSend   float64           `json:"bytes_per_send"`
	DroppedPackets uint64            `json:"dropped_packets"`
	DroppedBytes   map[string]uint64 `json:"dropped_bytes"` // as Delivery's
	Left           map[string]uint64 `json:"left"`          // viewers gone, by deliver.Reason
}

// Session is what is kept while one peer talks to the server through one plugin.
type Session struct {
	ID             uint64    `json:"id"`
	Plugin         string    `json:"plugin"`
	Role           string    `json:"role"`
	Peer           string    `json:"peer,omitempty"`
	User           string    `json:"user,omitempty"` // who has logged in
	Point          string    `json:"point,omitempty"`
	Rendition      string    `json:"rendition,omitempty"`
	Since          time.Time `json:"since"`
	BytesIn        uint64    `json:"bytes_in"`
	BytesOut       uint64    `json:"bytes_out"`
	Packets        uint64    `json:"packets"`
	LagMillis      int64     `json:"lag_millis"` // behind live, media time
	LagBytes       int       `json:"lag_bytes"`
	DroppedPackets uint64    `json:"dropped_packets"`
}

// Directions of a Port.
const (
	In  = "in"
	Out = "out"
)

// Port is a network address that the server or one of its plugins uses or may use.
type Port struct {
	Direction string `json:"direction"`
	Protocol  string `json:"protocol"`           // tcp, udp; igmp or mld, by which groups are joined
	Address   string `json:"address"`            // IP, network, or host pattern; "*" for any
	Port      string `json:"port"`               // "8080", or "1-65535" of a grant; empty where the protocol has none
	Plugin    string `json:"plugin,omitempty"`   // several: joined by ", "
	Listener  string `json:"listener,omitempty"` // of direction in
	Rung      string `json:"rung,omitempty"`     // how a listener came by it: inherited, bind, steer
	Purpose   string `json:"purpose"`            // one line
}

// PluginChange is what a reload did.
type PluginChange struct {
	Name     string `json:"name"`
	From     Build  `json:"from"`
	To       Build  `json:"to"`
	Sessions int    `json:"sessions"`       // that went over to the new build
	Note     string `json:"note,omitempty"` // anything else worth a line, such as "the file has not changed"
}

// Build names one loaded build of a plugin; it is zero where there was none.
type Build struct {
	Version    string `json:"version,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	Hash       string `json:"hash,omitempty"`
}
