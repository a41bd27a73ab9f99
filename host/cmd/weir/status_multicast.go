package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/weir-media/weir/host/internal/admin"
)

// destinationsShown is how many destinations of a point a status names that fare alike; --json has all.
const destinationsShown = 8

// writeMulticast writes how a point's destinations fare: first those that get nothing.
func writeMulticast(w io.Writer, p admin.Point) {
	all := slices.Clone(p.Multicast)
	slices.SortStableFunc(all, func(a, b admin.Multicast) int { return cmp.Compare(rankOf(a.State), rankOf(b.State)) })
	shown := map[string]int{}
	for _, m := range all {
		if shown[m.State]++; shown[m.State] > destinationsShown {
			continue
		}
		to := m.To
		if m.Interface != "" {
			to += " by " + m.Interface
		}
		text := m.State
		if m.Reason != "" {
			text += ": " + m.Reason
		}
		text += fmt.Sprintf("; %s in %s", size(m.Bytes), count(m.Datagrams, "datagram"))
		if m.DroppedDatagrams > 0 {
			text += fmt.Sprintf(", %d dropped", m.DroppedDatagrams)
		}
		if m.Retries > 0 {
			text += ", tried again " + count(m.Retries, "time")
		}
		writeNote(w, "point "+p.Name+" "+m.Rendition+" to "+to, text)
		writeNote(w, "  to mend it", m.Remedy)
		writeSAP(w, m.SAP)
	}
	for _, state := range slices.Sorted(maps.Keys(shown)) {
		if more := shown[state] - destinationsShown; more > 0 {
			writeNote(w, "point "+p.Name, fmt.Sprintf("and %d more that are %s", more, state))
		}
	}
}

// writeSAP writes how a destination is announced, if it is to be.
func writeSAP(w io.Writer, s *admin.SAP) {
	if s == nil {
		return
	}
	text := s.State
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	text += "; " + count(s.Announcements, "announcement") + ", " + count(s.Deletions, "deletion")
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d not sent", s.Failed)
	}
	writeNote(w, "  by SAP to "+s.To, text)
}

// rankOf puts what needs a look first.
func rankOf(state string) int {
	i := slices.Index([]string{"failed", "paused", "waiting"}, state)
	if i < 0 {
		return 3
	}
	return i
}
