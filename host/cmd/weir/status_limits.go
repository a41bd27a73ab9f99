package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
)

// audience says what viewers take, and of which limits; empty without a limit.
func audience(a admin.Audience) string {
	if !a.IsLimited() {
		return ""
	}
	parts := []string{count(a.Viewers, "viewer")}
	if a.MaxViewers > 0 {
		parts[0] = fmt.Sprintf("%d of %s", a.Viewers, count(a.MaxViewers, "viewer"))
	}
	if a.MaxRateBits > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s", bitRate(float64(a.RateBits)), bitRate(float64(a.MaxRateBits))))
	}
	if a.MaxViewerRateBits > 0 {
		parts = append(parts, bitRate(float64(a.MaxViewerRateBits))+" each at most")
	}
	if a.MaxJoins > 0 {
		parts = append(parts, fmt.Sprintf("%d may join in a second", a.MaxJoins))
	}
	return strings.Join(parts, ", ")
}

// writeRecords writes where what happens is kept and sent.
func writeRecords(w io.Writer, r *admin.Records) {
	if r == nil {
		return
	}
	if l := r.Sessions; l != nil {
		text := fmt.Sprintf("%s in %s", count(l.Lines, "line"), dash(l.File))
		if l.Lost > 0 {
			text += fmt.Sprintf(", %d lost", l.Lost)
		}
		writeNote(w, "log of sessions", text)
		writeNote(w, "log of sessions loses lines", l.Error)
	}
	for _, h := range r.Webhooks {
		writeNote(w, "webhook "+h.URL, fmt.Sprintf("%s posted, %d missed", count(h.Posted, "event"), h.Missed))
		writeNote(w, "webhook "+h.URL+" failed", h.Error)
	}
}

// writeArchive writes how a point is kept.
func writeArchive(w io.Writer, p admin.Point) {
	a := p.Archive
	if a == nil {
		return
	}
	text := a.State
	if a.File != "" {
		text += fmt.Sprintf(", %s in %s", size(a.Bytes), a.File)
	}
	if a.SkippedPackets > 0 {
		text += fmt.Sprintf(", %s left out", count(a.SkippedPackets, "packet"))
	}
	writeNote(w, "archive of point "+p.Name, text)
	writeNote(w, "archive of point "+p.Name+" failed", a.Reason)
}
