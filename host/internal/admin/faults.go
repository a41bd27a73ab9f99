package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Fault is a time that a plugin broke its contract.
type Fault struct {
	ID         uint64    `json:"id"` // unique and growing, as long as the server runs
	At         time.Time `json:"at"`
	Plugin     string    `json:"plugin"`
	Version    string    `json:"version,omitempty"` // the plugin's
	Generation uint64    `json:"generation,omitempty"`
	Kind       string    `json:"kind"`
	Session    uint64    `json:"session,omitempty"` // 0: no session alone is to blame
	Peer       string    `json:"peer,omitempty"`
	Network    string    `json:"network,omitempty"` // the peer's, which was throttled for it
	Point      string    `json:"point,omitempty"`
	During     string    `json:"during,omitempty"`
	Text       string    `json:"text"`                   // one line
	Said       string    `json:"said,omitempty"`         // why the guest says that it panicked
	Stack      string    `json:"stack,omitempty"`        // the guest's, innermost first, one frame a line
	Log        string    `json:"log,omitempty"`          // end of what the guest logged
	Carrier    string    `json:"carrier,omitempty"`      // of its build: "wasm", "proc"
	NotInForce bool      `json:"not_in_force,omitempty"` // its build was tried aside, and refused for this
	FrameBytes int       `json:"frame_bytes,omitempty"`  // of the events that the plugin was at; 0: not held
	// Frame and Config are what the plugin was told: event records (abi/v1) and its section of plugins.yaml. Only a fault that is asked for by
	// its ID has them.
	Frame  []byte          `json:"frame,omitempty"`
	Config json.RawMessage `json:"config,omitempty"`
}

// Throttled is a network whose new sessions a plugin refuses.
type Throttled struct {
	Network   string    `json:"network"`
	Datagrams bool      `json:"datagrams,omitempty"` // only who sends datagrams and claims to be there
	Until     time.Time `json:"until"`
	Faults    uint64    `json:"faults"` // that its sessions brought
}

// Blame is what a plugin's faults have come to.
type Blame struct {
	// Until tells how long a quarantined plugin is kept out.
	Until       time.Time         `json:"until,omitzero"`
	Quarantines uint64            `json:"quarantines,omitempty"` // for faults, since the server started
	Throttled   []Throttled       `json:"throttled,omitempty"`   // at present, the longest first; no more than some
	Aside       int               `json:"throttled_networks,omitempty"`
	TurnedAway  map[string]uint64 `json:"turned_away,omitempty"` // sessions that were refused, by reason, since the server started
	LastFault   *Fault            `json:"last_fault,omitempty"`
}

func (a *api) faults(mux *http.ServeMux) {
	get(mux, "/v1/faults", func(r *http.Request) (any, error) {
		all, err := a.backend.Faults(r.URL.Query().Get("plugin"))
		return list(all), err
	})
	get(mux, "/v1/faults/{id}", func(r *http.Request) (any, error) {
		id, err := faultID(r)
		if err != nil {
			return nil, err
		}
		return a.backend.Fault(id)
	})
	mux.HandleFunc("/v1/faults/{id}/recording", allow(http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
		id, err := faultID(r)
		var body []byte
		if err == nil {
			body, err = a.backend.RecordFault(id)
		}
		if err != nil {
			writeError(w, statusOf(err, http.StatusConflict), err)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body) // the client is gone; there is nobody to tell
	}))
}

func faultID(r *http.Request) (uint64, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("fault %q: %w", r.PathValue("id"), ErrNotFound)
	}
	return id, nil
}

// Faults lists the last faults of a plugin, or of all for "", the latest first.
func (c *Client) Faults(ctx context.Context, plugin string) ([]Fault, error) {
	q := url.Values{}
	if plugin != "" {
		q.Set("plugin", plugin)
	}
	return ask[[]Fault](ctx, c, http.MethodGet, "/v1/faults", q)
}

// Fault gives one of the last faults with all that is known of it.
func (c *Client) Fault(ctx context.Context, id uint64) (Fault, error) {
	return ask[Fault](ctx, c, http.MethodGet, "/v1/faults/"+strconv.FormatUint(id, 10), nil)
}

// RecordFault gives a fault as a recording, which `weir plugin replay` plays.
func (c *Client) RecordFault(ctx context.Context, id uint64) ([]byte, error) {
	_, body, err := c.do(ctx, http.MethodGet, "/v1/faults/"+strconv.FormatUint(id, 10)+"/recording", nil)
	return body, err
}
