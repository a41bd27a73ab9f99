package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
)

// writeAccess tells whom the access rules let in, and whom not; nothing if there are none.
func writeAccess(w io.Writer, a *admin.Access, now time.Time) {
	if a == nil {
		return
	}
	parts := []string{count(a.Rules, "rule") + ", " + count(a.Users, "user")}
	for _, action := range []string{"play", "publish"} {
		if text := counts(action+": ", a.Judged[action]); text != "" {
			parts = append(parts, text)
		}
	}
	fmt.Fprintf(w, "ACCESS    %s\n", clean(strings.Join(parts, "; ")))
	var waiting []string
	for _, t := range a.Throttled[:min(len(a.Throttled), asideShown)] {
		waiting = append(waiting, fmt.Sprintf("%s for %s (%s)", t.Network, age(t.Until.Sub(now)), count(t.Failures, "failure")))
	}
	if more := a.Aside - len(waiting); more > 0 {
		waiting = append(waiting, fmt.Sprintf("and %d more", more))
	}
	writeNote(w, "logins are refused of", strings.Join(waiting, ", "))
}
