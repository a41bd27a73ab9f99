// Package admin is where operators, their tools and their monitoring meet a running server.
//
// It owns the admin API: its addresses, who may use it, and the JSON words in which the server is described. Requests of the commands, of
// Prometheus and of scripts come in; statuses, documents and orders to a Backend go out. It never holds state of the server, never decides
// anything about it, and knows no package of the rooms that it describes: whoever implements Backend translates.
package admin

import (
	"context"
	"errors"
	"io"

	"github.com/weir-media/weir/host/internal/journal"
)

// ErrNotFound is in the error of a Backend that does not know the plugin, point or format it was asked about; the API answers 404.
var ErrNotFound = errors.New("not found")

// Backend is the server behind the API. Its methods are called by several goroutines at once.
type Backend interface {
	// Status describes the whole server.
	Status() Status
	// Sessions lists the sessions of a point, or all for "".
	Sessions(point string) []Session
	// Ports lists what is open and what grants allow.
	Ports() []Port
	// EnablePlugin starts a plugin; it is nil if it runs already.
	EnablePlugin(name string) error
	// DisablePlugin stops a plugin; status shows the reason.
	DisablePlugin(name, reason string) error
	// ReloadPlugin reads the plugin's module again. force: it need not answer first what the one that runs has answered.
	ReloadPlugin(name string, force bool) (PluginChange, error)
	// RecordPlugin writes down to w what a plugin is told and answers, until it has lasted long enough or ctx ends.
	RecordPlugin(ctx context.Context, name string, o Recording, w io.Writer) error
	// StartPoint lets sources and viewers of a stopped point in again; it is nil if the point is not stopped.
	StartPoint(name string) error
	// StopPoint ends a point's source and viewers until it is started; status shows the reason.
	StopPoint(name, reason string) error
	// Events gives a reader of what happens from now on, which the caller closes.
	Events(f journal.Filter) (*journal.Reader, error)
	// PlanConfig tells what a configuration would change.
	PlanConfig(p Proposal) (Plan, error)
	// ApplyConfig puts a configuration in force, all or nothing, and tells what that has changed.
	ApplyConfig(p Proposal) (Plan, error)
	// Announce writes a document about a point, for players that reach the server at authority ("host:port", may be empty).
	Announce(point, format, authority string) (mediaType string, body []byte, err error)
	// Faults lists the last faults of a plugin, or of all for "", the latest first, without frames and configurations.
	Faults(plugin string) ([]Fault, error)
	// Fault gives one of them with all that is known of it.
	Fault(id uint64) (Fault, error)
	// RecordFault gives it as a recording.
	RecordFault(id uint64) ([]byte, error)
	// Ready is nil when every enabled plugin and listener is ready, else says what is not.
	Ready() error
}
