// Package config turns plugins.yaml and the environment into one immutable Config.
//
// It owns the keys an operator may write, their defaults and bounds, and the text of what is wrong with them. A file's bytes and the environment come
// in; a complete Config, or Problems with file, line, key and remedy, go out. It opens no file but the configuration itself, loads no plugin and
// knows no manifest: whether a module exists, asks for its grants or accepts its config is the host's to find out. Only package host imports it.
package config

import (
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// Config is a whole configuration, defaults filled in. It is never changed after Load and safe for concurrent use; lists are sorted by name.
type Config struct {
	File      string // as problems name it
	Dir       string // relative paths of the file start here
	Admin     Admin
	Metrics   netip.AddrPort // where /metrics and health stand without a token; invalid: nowhere
	StateDir  string         // "": the host's choice
	CacheDir  string         // "": the host's choice
	Watch     bool           // a changed file or module is put in force without being told
	Listeners []Listener
	Plugins   []Plugin
	Points    []Point
	Templates []Point // of points that are made when an encoder comes; Name is the pattern of their names
	Access    Access
	Limits    Limits // of all points together
	Log       SessionLog
	Webhooks  []Webhook

	origins origins
}

// Admin is where the admin API listens: either Socket, or Address with TokenFile.
type Admin struct {
	Socket    string
	Address   netip.AddrPort
	TokenFile string
}

// Listener is one named set of TCP or UDP addresses, opened together or not at all.
type Listener struct {
	Name      string
	Enabled   bool
	UDP       bool             // protocol: udp
	Addresses []netip.AddrPort // each address with each port; empty if Claims is not
	Claims    []Claim          // what only steering can give: prefixes and ranges of ports
	Steer     Steer
	TLS       TLS      // TCP only; zero: none
	Fallback  Fallback // TCP only; zero: none
	Datagrams Datagrams
}

// Claim is a set of addresses and ports that no single socket can be bound to.
type Claim struct {
	Prefix      netip.Prefix // of one address, or more
	First, Last uint16       // ports, both included
}

// Steer says whether a listener may take or must take its traffic from a server that holds the same address.
type Steer string

// The uses of steering.
const (
	SteerAuto    Steer = "auto"    // bind; where that fails or cannot do, steer
	SteerOff     Steer = "off"     // bind or fail
	SteerRequire Steer = "require" // never bind
)

// TLS names the files of a certificate chain and its key, in PEM.
type TLS struct{ Cert, Key string }

// Fallback is who answers requests that no plugin takes: at most one field is set.
type Fallback struct {
	Files    string // a folder
	Listing  bool   // of folders without index.html
	Upstream string // URL of a web server
}

// Datagrams is what only UDP listeners have.
type Datagrams struct {
	Workers   int          // sockets for each address; 0: one per core
	Groups    []netip.Addr // multicast groups to join
	Interface string       // on which; "": the system's choice
	Flow      Flow
}

// Flow is by what datagrams are told apart: they go to the same worker, and without a Length to the same session, when these agree.
type Flow struct{ Offset, Length int } // of a payload id in bytes; Length 0: the sender's address and port

// Plugin is one plugin to load. Exactly one of Builtin, Module and Exec is set.
type Plugin struct {
	Name      string
	Enabled   bool
	Builtin   string        // name of a first-party plugin in the binary
	Module    string        // path of a Wasm module
	Exec      string        // path of an executable
	SHA256    string        // of the module or executable, 64 lower-case hex digits; "": unchecked
	User      string        // that runs Exec; "": who runs weir
	Instances int           // running copies, 1 or more
	Drain     time.Duration // how long sessions stay with a build whose state the next one does not read
	Listeners []string
	Grant     Grant
	Limits    PluginLimits
	Config    map[string]any // the plugin's own, judged by its manifest's schema; nil if absent. Read only.
}

// PluginLimits bounds a plugin; zero leaves the choice to manifest and host.
type PluginLimits struct {
	Memory      uint64        // bytes of one instance, or of a process
	Event       time.Duration // longest time of one event
	SlowEvent   time.Duration // from which on an event is counted as slow
	Packets     time.Duration // like Event, for packets
	SlowPackets time.Duration // like SlowEvent, for packets
	Open        time.Duration // longest time of the start
	LogLines    int           // a second
	Retained    uint64        // bytes of input, of one connection
	State       uint64        // bytes, of one session
	Timers      int           // of one session
	Writes      uint64        // bytes that wait for one connection
	Queued      int           // events that wait for the plugin
	Files       int           // open files of a process
	Processes   int           // and threads, of all that its user runs
}

// Grant is what a plugin may do to the outside. The zero value grants nothing.
type Grant struct {
	Attach    Patterns // points that it may send to viewers
	Publish   Patterns // points whose source it may become
	Dial      []Dial
	Listen    []Dial   // local addresses at which it may ask for datagrams; never a Host
	Group     []Dial   // multicast groups, udp, that it may join or send to; never a Host
	Read      Patterns // files, relative to Config.Dir unless absolute
	Documents bool
}

// Point is one named stream.
type Point struct {
	Name    string
	Enabled bool   // else it begins stopped
	Push    bool   // an encoder brings the stream
	URL     string // where weir fetches it; empty if Push
	// Demand is how long after the last viewer a source that is started on demand is stopped; 0: the source always runs.
	Demand time.Duration
	Buffer time.Duration
	// BufferBytes is the most that the buffer of each rendition holds.
	BufferBytes uint64
	Grace       time.Duration // how long viewers are kept without a source
	Viewers     int           // most at once; 0: no limit
	Rates       Rates         // that viewers may take
	OnLag       OnLag
	MaxLag      time.Duration
	Latency     time.Duration // longest that delivery gathers packets for one send
	// BurstRate is the most that a viewer who is behind is sent, in multiples of the stream's
	// own rate; 0: as fast as its socket takes it, and by UDP, destinations among it, twice the rate.
	BurstRate float64
	Archive   Archive
	// Multicast is where the point is sent to unasked, in the order of the file.
	Multicast []Destination
	About     About
}

// OnLag says what becomes of a viewer that is more than MaxLag behind.
type OnLag string

// The rules for late viewers.
const (
	LagSkip OnLag = "skip" // jump to the newest key packet
	LagDrop OnLag = "drop" // close the connection
)

// Defaults and bounds; "chosen" where no other source is named.
const (
	DefaultSocket = "weir.sock"      // interface: plugins.yaml
	DefaultBuffer = 30 * time.Second // interface: plugins.yaml
	DefaultGrace  = 30 * time.Second // interface: plugins.yaml
	// DefaultBufferBytes holds 30 s of 17 Mbit/s.
	DefaultBufferBytes = 64 << 20
	DefaultMaxLag      = 10 * time.Second      // chosen
	DefaultLatency     = 40 * time.Millisecond // chosen
	DefaultDrain       = 10 * time.Minute      // chosen

	minBuffer, maxBuffer = time.Second, 10 * time.Minute
	// The least is a few chunks of a slow stream, the most what 10 min of 800 Mbit/s take.
	minBufferBytes, maxBufferBytes = 1 << 20, 64 << 30
	minGrace, maxGrace             = 0, 24 * time.Hour
	minMaxLag, maxMaxLag           = 100 * time.Millisecond, 10 * time.Minute
	minLatency, maxLatency         = 5 * time.Millisecond, 200 * time.Millisecond
	// A viewer who is behind must get more than the stream's rate, or it never catches up.
	minBurstRate, maxBurstRate = 1.1, 100 // chosen

	maxViewers     = 10_000_000
	maxSocketBytes = 107     // unix(7): sun_path holds 108 with its NUL
	maxDepth       = 32      // levels of keys
	maxFileBytes   = 4 << 20 // far above a file that a person writes
)

// Hash is the SHA-256 of the file's text, in lower-case hex.
func (c *Config) Hash() string { return c.origins.hash }

// Listener gives the listener of that name.
func (c *Config) Listener(name string) (Listener, bool) {
	return named(c.Listeners, name, func(l Listener) string { return l.Name })
}

// Plugin gives the plugin of that name.
func (c *Config) Plugin(name string) (Plugin, bool) {
	return named(c.Plugins, name, func(p Plugin) string { return p.Name })
}

// Point gives the point of that name.
func (c *Config) Point(name string) (Point, bool) {
	return named(c.Points, name, func(p Point) string { return p.Name })
}

func named[T any](list []T, name string, of func(T) string) (T, bool) {
	for _, v := range list {
		if of(v) == name {
			return v, true
		}
	}
	var none T
	return none, false
}

// Path resolves a path as the file means it: relative to the file's folder.
func (c *Config) Path(p string) string { return resolve(c.Dir, p) }

func resolve(dir, p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, p)
}

// IsList tells whether a key names an item of a list of the file, as ("points", "live", "multicast", "0") does.
func (c *Config) IsList(key ...string) bool {
	_, ok := c.origins.lines[strings.Join(key, separator)]
	return ok
}

// Problem words something that the host found wrong under a key of this configuration, such as ("plugins", "wmsp", "config", "burst").
// text says what is wrong and how to mend it.
func (c *Config) Problem(text string, key ...string) Problem {
	return c.origins.problem(c.File, key, text)
}
