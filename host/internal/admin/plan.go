package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Proposal is a configuration that a client sends to be planned or applied. The server's own WEIR_ variables override it as they did when it started.
type Proposal struct {
	File string `json:"file"` // as problems shall name it
	// Dir is where the text's relative paths start, on the server's computer; empty: in the folder of the configuration that runs, which is what
	// a client on another computer can mean.
	Dir  string `json:"dir,omitempty"`
	Text string `json:"text"`
}

// maxProposal bounds the body of a Proposal in bytes: a configuration has 4 MiB at most, and JSON may double it.
const maxProposal = 9 << 20

// Plan is what a configuration changes in the server that runs, exactly.
type Plan struct {
	Config   string      `json:"config"` // Proposal.File
	Applied  bool        `json:"applied"`
	Changes  []Change    `json:"changes"`  // empty: the configuration that runs means the same
	URLs     []URLChange `json:"urls"`     // that are announced
	Sessions []Touched   `json:"sessions"` // all others go on as they are
	Warnings []string    `json:"warnings"` // FILE:LINE: key: what may not be meant; how to mend it
}

// What a Change is of.
const (
	OfListener = "listener"
	OfPlugin   = "plugin"
	OfPoint    = "point"
	OfTemplate = "template"
	OfServer   = "server" // admin, metrics, access and folders; Change.Name is the key
)

// Actions of a Change.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is a listener, plugin, point or setting of the server that is not as before.
type Change struct {
	What   string      `json:"what"`
	Name   string      `json:"name"`
	Action string      `json:"action"`
	Keys   []KeyChange `json:"keys"`           // sorted; what the file, or a variable, now says
	Note   string      `json:"note,omitempty"` // when or how it takes effect, if that is not at once and unseen
}

// KeyChange is one key with its old and new value as text; empty is absent.
type KeyChange struct {
	Key string `json:"key"`
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// URLChange is an announced URL that becomes another; one of them is empty where a URL comes or goes.
type URLChange struct {
	Point  string `json:"point"`
	Plugin string `json:"plugin"`
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
}

// Effects on a Touched session.
const (
	Ends  = "ends"  // its peer gets the end that its protocol has
	Moves = "moves" // to the new generation of its plugin, with its state; its peer sees nothing
	Stays = "stays" // with the old generation of its plugin, since the new one does not read its state; after the plugin's drain time it ends
	Kept  = "kept"  // though the access rules would not let its peer in again
	Waits = "waits" // a viewer whose point gets another source: it plays on when that has come, within the point's grace
)

// Touched is a session on which a change has an effect.
type Touched struct {
	ID     uint64 `json:"id"`
	Plugin string `json:"plugin"`
	Role   string `json:"role"`
	Peer   string `json:"peer,omitempty"`
	Point  string `json:"point,omitempty"`
	Effect string `json:"effect"`
	Why    string `json:"why"`
}

// ErrRefused is in the error of a Backend that found a configuration wrong, or could not put it in force: nothing has changed.
var ErrRefused = errors.New("nothing has changed")

// config registers the paths of plan and apply.
func (a *api) config(mux *http.ServeMux) {
	for path, do := range map[string]func(Proposal) (Plan, error){"/v1/config/plan": a.backend.PlanConfig, "/v1/config/apply": a.backend.ApplyConfig} {
		mux.HandleFunc(path, allow(http.MethodPost, func(w http.ResponseWriter, r *http.Request) {
			var p Proposal
			d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxProposal))
			d.DisallowUnknownFields()
			if err := d.Decode(&p); err != nil {
				writeError(w, http.StatusBadRequest, fmt.Errorf("the request is no configuration: %w; send {\"file\": NAME, \"dir\": FOLDER, \"text\": YAML}", err))
				return
			}
			// Modules may have to be compiled. A connection that cannot take a deadline has none.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(clientTimeout))
			plan, err := do(p)
			if err != nil {
				writeError(w, http.StatusConflict, err)
				return
			}
			plan.Changes, plan.URLs, plan.Sessions, plan.Warnings = list(plan.Changes), list(plan.URLs), list(plan.Sessions), list(plan.Warnings)
			for i := range plan.Changes {
				plan.Changes[i].Keys = list(plan.Changes[i].Keys)
			}
			writeJSON(w, http.StatusOK, plan)
		}))
	}
}
