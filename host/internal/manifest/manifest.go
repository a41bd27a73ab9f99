// Package manifest reads and judges plugin.yaml, the file in which a plugin says what it is.
//
// It owns the meaning of a manifest's keys, the grammar of paths and the order in which routes win. The bytes of a plugin.yaml (or of the custom
// section weir.manifest) come in; a checked Manifest and, for each listener, one immutable route Table go out. It never opens a file or a socket,
// never runs guest code and never grants anything: what a plugin asks for here counts only where the configuration grants it.
package manifest

import (
	"slices"
	"time"
)

// Role says what a plugin does. A plugin may have several.
type Role string

// The roles of version 1.
const (
	RoleControl  Role = "control"  // speaks with players or encoders
	RoleSource   Role = "source"   // becomes the source of a point
	RolePackager Role = "packager" // turns one rendition into another
	RoleAnnounce Role = "announce" // writes announcements
	RoleFormat   Role = "format"   // turns bytes into packets
)

// Capability is something a plugin may do to the outside only if the configuration grants it (abi: Capabilities).
type Capability string

// The capabilities of version 1.
const (
	CapListen    Capability = "listen"    // bind ports of its own
	CapAttach    Capability = "attach"    // send points to viewers
	CapPublish   Capability = "publish"   // become a point's source
	CapDial      Capability = "dial"      // open connections to others
	CapGroup     Capability = "group"     // send to or join multicast groups
	CapRead      Capability = "read"      // read files below named folders
	CapDocuments Capability = "documents" // publish documents
)

// Manifest is what a plugin says of itself. One that Parse returned is valid; it must not be changed and is then safe for concurrent use.
type Manifest struct {
	Name     string // folder, configuration key and metric label: a-z, 0-9 and '-', at most 32 bytes
	Version  string // the plugin's own version, MAJOR.MINOR.PATCH
	ABI      string // MAJOR.MINOR of the contract it was built for, "1.0"
	Summary  string // one line for a person
	Roles    []Role
	Features Features
	Listens  Listens
	Offers
	Capabilities []Capability // asked, not granted
	State        State
	Limits       Limits
	Config       Schema
	Refusal      Refusal
}

// Features names additive parts of the contract. The host refuses a plugin whose Required holds a name that it does not know.
type Features struct {
	Required, Optional []string
}

// Listens says which connections and requests a plugin takes on its listeners.
type Listens struct {
	HTTP []HTTPRoute
	Raw  []RawPattern
	RTSP bool         // connections whose first line ends in RTSP/1.0 or RTSP/2.0, whole
	UDP  []RawPattern // of a flow's first datagram; one without Bytes takes what no other does
}

// HTTPRoute is one kind of HTTP request. Name is given to the plugin with each request.
type HTTPRoute struct {
	Name    string
	Methods []string // upper case, never empty
	Path    Path
	Agents  []string // any of these inside User-Agent makes the route match; empty: every agent
	Types   []string // lower case; the request's media type must be one of these; empty: every type, and none
}

// RawPattern is how a connection that is not HTTP begins, or a flow of datagrams. It matches when, from Offset on, its bytes under Mask equal Bytes
// under Mask.
type RawPattern struct {
	Name   string
	Offset int
	Bytes  []byte
	Mask   []byte // nil (every bit counts) or as long as Bytes
}

// Offers is what a plugin gives to points, sources and announcements.
type Offers struct {
	Consumes  []string // "bytes:FORMAT" that a format plugin parses, or renditions that it subscribes to
	Produces  []string // renditions that a format plugin emits
	Packages  []Package
	Sources   []string // URL schemes with which it can start as a point's source
	Documents []Document
	Plays     []Play
}

// Package is one conversion of a packager: rendition From becomes rendition To.
type Package struct {
	From, To string
	Payload  Payload
}

// Payload is how many bytes of each source packet a packager wants to see. Zero is none, PayloadAll is the whole packet.
type Payload int

// PayloadAll asks for whole packets.
const PayloadAll Payload = -1

// Document is one announcement format, served at Paths and printed by `weir announce POINT FORMAT`.
type Document struct {
	Format string
	Type   string // media type of the answer
	Paths  []Path // "/{point}.FORMAT" when the file names none; empty after Parse if it is Unserved
	// Unserved: it is for the host alone, and has no path.
	Unserved bool
}

// Play is one kind of URL under which players can open a point. Announcements list them by Rank, the highest first.
type Play struct {
	Scheme    string
	Rank      int
	Rendition string
	Suffix    string // follows the point's name in the URL
}

// State names the layout of the state that the host holds for the plugin. The zero value is a plugin that keeps none.
type State struct {
	Schema  string
	Accepts []string // older layouts that this version can read
}

// Reads tells whether this version reads state of that layout.
func (s State) Reads(schema string) bool {
	return schema == s.Schema || slices.Contains(s.Accepts, schema)
}

// Limits is what a plugin says it needs; zero leaves the choice to the host. What is asked beyond the host's defaults is had only if the configuration
// grants it; what is asked below them bounds the plugin.
type Limits struct {
	Memory  Size
	Event   time.Duration // longest time of one event
	Packets time.Duration // likewise, of one event of packets
}

// Refusal is what the host answers to whom the plugin cannot or shall not answer: while it does not run, is quarantined, or their network is throttled.
// The zero value is a plain 503. Over RTSP the status is 503 whatever Status says; other protocols that are not HTTP are closed.
type Refusal struct {
	Status     int // 0 or 400–599
	RetryAfter time.Duration
	Type       string // media type of Body
	Body       string
	// Server is the field Server (RFC 9110 10.2.4) of whatever the host answers in the plugin's place, requests for a login and RTSP too; empty: none.
	// A request that no plugin takes (404, 405) is answered in nobody's.
	Server string
}

// HasRole tells whether r is among the plugin's roles.
func (m *Manifest) HasRole(r Role) bool { return slices.Contains(m.Roles, r) }

// Asks tells whether the plugin asks for the capability c.
func (m *Manifest) Asks(c Capability) bool { return slices.Contains(m.Capabilities, c) }
