package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// Audience is what viewers take, of a point or of all, and the limits of it. A limit of 0 is none.
type Audience struct {
	Viewers           int   `json:"viewers"`
	RateBits          int64 `json:"rate_bits"` // bits a second that they are sent: of each rendition, its rate for each of its viewers
	MaxViewers        int   `json:"max_viewers,omitempty"`
	MaxRateBits       int64 `json:"max_rate_bits,omitempty"`        // of all together
	MaxViewerRateBits int64 `json:"max_viewer_rate_bits,omitempty"` // of one
	MaxJoins          int   `json:"max_joins,omitempty"`            // a second
}

// IsLimited tells whether there is any limit.
func (a Audience) IsLimited() bool {
	return a.MaxViewers > 0 || a.MaxRateBits > 0 || a.MaxViewerRateBits > 0 || a.MaxJoins > 0
}

// Archive is the file in which a point is kept.
type Archive struct {
	Rendition      string `json:"rendition"`
	State          string `json:"state"` // waiting, recording, failed
	Reason         string `json:"reason,omitempty"`
	File           string `json:"file,omitempty"` // that is written, or was last
	Bytes          uint64 `json:"bytes"`          // of that file
	Packets        uint64 `json:"packets"`
	Files          uint64 `json:"files"` // begun
	SkippedPackets uint64 `json:"skipped_packets,omitempty"`
}

// Records is where what happens is kept or sent.
type Records struct {
	Sessions *SessionLog `json:"sessions,omitempty"` // nil: there is none
	Webhooks []Webhook   `json:"webhooks,omitempty"` // in the order of the file
}

// SessionLog is the log of sessions.
type SessionLog struct {
	File  string `json:"file,omitempty"` // that is written; empty before the first line
	Lines uint64 `json:"lines"`
	Lost  uint64 `json:"lost"`
	Error string `json:"error,omitempty"` // why lines are lost now
}

// Webhook is an address to which events are posted.
type Webhook struct {
	URL    string `json:"url"`
	Posted uint64 `json:"posted"` // events that were taken
	Missed uint64 `json:"missed"`
	Error  string `json:"error,omitempty"` // of the last request
}

func (a *api) point(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	var err error
	switch r.PathValue("action") {
	case "start":
		err = a.backend.StartPoint(name)
	case "stop":
		err = a.backend.StopPoint(name, reason(r, "stopped by the admin API"))
	default:
		unknownPath(w, r)
		return
	}
	if err != nil {
		writeError(w, statusOf(err, http.StatusConflict), err)
		return
	}
	all := a.backend.Status().Points
	i := slices.IndexFunc(all, func(p Point) bool { return p.Name == name })
	if i < 0 {
		writeError(w, http.StatusNotFound, fmt.Errorf("point %q: %w", name, ErrNotFound))
		return
	}
	writeJSON(w, http.StatusOK, all[i])
}

// StartPoint lets sources and viewers of a stopped point in again.
func (c *Client) StartPoint(ctx context.Context, name string) (Point, error) {
	return ask[Point](ctx, c, http.MethodPost, "/v1/points/"+url.PathEscape(name)+"/start", nil)
}

// StopPoint ends a point's source and viewers until it is started; status shows the reason, which may be empty.
func (c *Client) StopPoint(ctx context.Context, name, reason string) (Point, error) {
	return ask[Point](ctx, c, http.MethodPost, "/v1/points/"+url.PathEscape(name)+"/stop", url.Values{"reason": {reason}})
}
