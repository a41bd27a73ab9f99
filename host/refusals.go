package host

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/session"
)

// keptStillborn is how many faults are kept of plugins that were to be added and are not
// there (chosen: as many as of one that is).
const keptStillborn = 16

// refusals are changes that nobody waits for, by SIGHUP or watch, and that were refused
// since the last one was put in force. The zero value has none; it is safe for concurrent
// use.
type refusals struct {
	mu      sync.Mutex
	what    string // the file, or the plugins whose files they are; empty: none
	plugins []string
	since   time.Time
	why     string
	faults  []*session.FaultReport // of plugins that never were in force
}

// note has status show that a configuration, or the new files of plugins, was refused.
func (r *refusals) note(what string, plugins []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.what != what || r.since.IsZero() {
		r.since = time.Now()
	}
	r.what, r.plugins = what, plugins
	r.why = strings.ReplaceAll(strings.TrimSuffix(err.Error(), "\n"+admin.ErrRefused.Error()), "\n", "; ")
}

// clear follows a change that was put in force.
func (r *refusals) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.what, r.plugins, r.since, r.why = "", nil, time.Time{}, ""
}

// of names the plugins whose new files were refused; isFile: the configuration was.
func (r *refusals) of() (plugins []string, isFile bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plugins, r.what != "" && r.plugins == nil
}

// keep keeps the faults of a plugin that is not there after all.
func (r *refusals) keep(all []*session.FaultReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, all...)
	if n := len(r.faults) - keptStillborn; n > 0 {
		r.faults = slices.Delete(r.faults, 0, n)
	}
}

func (r *refusals) stillborn() []*session.FaultReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faults)
}

// notes tells what was refused.
func (r *refusals) notes() []admin.Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.what == "" {
		return nil
	}
	return []admin.Note{{Text: r.what + " refused since " + r.since.Format(time.DateTime) + ", what ran before runs on: " + r.why,
		Remedy: "mend it and apply it again, or put back what it was (with watch: true that is all)"}}
}
