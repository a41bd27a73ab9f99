package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newStatus() *cobra.Command {
	var at remote
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show listeners, plugins, points and limits of the running server",
		Example: "  weir status\n  weir status --json --admin 127.0.0.1:7070",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := at.client()
			if err != nil {
				return err
			}
			st, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), st)
			}
			writeStatus(cmd.OutOrStdout(), st, time.Now())
			return nil
		},
	}
	at.flag(cmd)
	return cmd
}

// writeStatus writes a status for a person.
func writeStatus(w io.Writer, st admin.Status, now time.Time) {
	fmt.Fprintf(w, "weir %s, up %s, %s\n", clean(st.Version), age(now.Sub(st.Started)), clean(st.Config))
	for _, n := range st.Notes {
		writeNote(w, "note", strings.TrimSpace(n.Code+" "+n.Text))
		writeNote(w, "  to mend it", n.Remedy)
	}
	writeListeners(w, st.Listeners)
	writePlugins(w, st.Plugins, now)
	writePoints(w, st.Points, now)
	writeDelivery(w, st.Points)
	d := st.Deliver
	fmt.Fprintf(w, "\nDELIVERY  %s, %s in %s%s, %s dropped%s\n", count(d.Viewers, "viewer"), size(d.Bytes), count(d.Sends, "send"), aSend(d),
		count(d.DroppedPackets, "packet"), counts("; left: ", d.Left))
	writeAccess(w, st.Access, now)
	if t := st.Takeover; t != nil {
		fmt.Fprintf(w, "TAKEOVER  from process %d; it and those before it still have %s and %s\n", t.FromPID, count(t.ViewersLeft, "viewer"), count(t.SourcesRelayed, "source"))
	}
	if st.Steer != nil {
		writeSteer(w, st.Steer)
	}
	fmt.Fprintf(w, "LIMITS    %s\n", limits(st.Limits))
	writeNote(w, "limits of all points", audience(st.Audience))
	writeRecords(w, st.Records)
}

func writeListeners(w io.Writer, all []admin.Listener) {
	fmt.Fprintln(w)
	t := newTable(w, "LISTENER", "STATE", "PROTOCOL", "BY", "ADDRESS", "CONNECTIONS", "REQUESTS", "PLUGINS")
	for _, l := range all {
		protocol := l.Protocol
		if l.TLS {
			protocol = "tls"
		}
		t.row(l.Name, l.State, protocol, l.Rung, strings.Join(l.Addresses, ", "), fmt.Sprint(l.Accepted), fmt.Sprint(l.Requests), strings.Join(l.Plugins, ", "))
	}
	t.flush()
	for _, l := range all {
		if l.State == admin.ListenerFailed {
			writeNote(w, "listener "+l.Name+" failed", strings.TrimSpace(l.Code+" "+l.Reason))
			writeNote(w, "  to mend it", l.Remedy)
		}
		if d := l.Datagrams; d != nil {
			writeNote(w, "listener "+l.Name, fmt.Sprintf("%s in %s, %s spread over %s by %s%s", count(d.Received, "datagram"), size(d.Bytes),
				count(d.Flows, "flow"), count(d.Workers, "worker"), d.Spread, counts("; dropped: ", d.Dropped)))
		}
		if refused := refusals(l.Outcomes); refused != "" {
			writeNote(w, "listener "+l.Name, refused)
		}
	}
}

func writeSteer(w io.Writer, s *admin.Steer) {
	var lookups, misses, errors uint64
	for _, l := range s.Listeners {
		lookups, misses, errors = lookups+l.Lookups, misses+l.Misses, errors+l.Errors
	}
	fmt.Fprintf(w, "STEERING  %s, %d without a socket, %d refused by the kernel", count(lookups, "look-up"), misses, errors)
	if s.RunNanos > 0 {
		fmt.Fprintf(w, "; program time %.0f ns each", s.RunNanos)
	}
	fmt.Fprintln(w)
}

// refusals counts connections that were closed before any plugin saw them.
func refusals(outcomes map[string]uint64) string {
	refused := map[string]uint64{}
	for name, n := range outcomes {
		if name != "http" && name != "http2" && name != "raw" {
			refused[name] = n
		}
	}
	return counts("closed before any plugin: ", refused)
}

func writePlugins(w io.Writer, all []admin.Plugin, now time.Time) {
	fmt.Fprintln(w)
	t := newTable(w, "PLUGIN", "STATE", "VERSION", "GENERATION", "SESSIONS", "CALLS", "BUSY", "CPU", "SLOW", "REFUSED", "FAULTS")
	for _, p := range all {
		generation := ""
		if p.Generation > 0 {
			generation = fmt.Sprintf("%d %s", p.Generation, short(p.Hash))
		}
		t.row(p.Name, p.State, p.Version, generation, fmt.Sprint(p.Sessions), fmt.Sprint(p.Calls), age(time.Duration(p.BusySeconds*float64(time.Second))), cpu(p.Spending),
			fmt.Sprint(p.SlowCalls), fmt.Sprint(p.Refused), fmt.Sprint(p.Faults))
	}
	t.flush()
	for _, p := range all {
		writeNote(w, "plugin "+p.Name, process(p.Carriage))
		if p.Reason != "" {
			state := p.State
			if !p.Until.IsZero() {
				state += " for " + age(p.Until.Sub(now))
			}
			fmt.Fprintln(w, clean("  plugin "+p.Name+" is "+stateWords(p.State, state, p.Code, p.Reason)))
		}
		if p.Instances > 1 {
			writeNote(w, "plugin "+p.Name, fmt.Sprintf("runs in %d instances", p.Instances))
		}
		writeNote(w, "plugin "+p.Name, counts("its sessions would have held more than they may: ", p.Limited))
		writeNote(w, "plugin "+p.Name, admin.StayingText(p.Staying))
		writeNote(w, "plugin "+p.Name, p.RolledBack)
		writeBlame(w, p, now)
	}
}

// process tells of the process that carries a plugin; empty if none does.
func process(c admin.Carriage) string {
	switch {
	case c.Carrier != "proc":
		return ""
	case c.PID == 0:
		return "has no process at the moment, after " + count(c.Restarts, "restart")
	}
	return fmt.Sprintf("is process %d, after %s", c.PID, count(c.Restarts, "restart"))
}

// writeBlame writes what a plugin's faults have come to.
func writeBlame(w io.Writer, p admin.Plugin, now time.Time) {
	var aside []string
	for _, n := range p.Throttled[:min(len(p.Throttled), asideShown)] {
		what := n.Network
		if n.Datagrams {
			what = "datagrams of " + what
		}
		aside = append(aside, fmt.Sprintf("%s for %s (%s)", what, age(n.Until.Sub(now)), count(n.Faults, "fault")))
	}
	if more := p.Aside - len(aside); more > 0 {
		aside = append(aside, fmt.Sprintf("and %d more", more))
	}
	writeNote(w, "plugin "+p.Name+" refuses new sessions of", strings.Join(aside, ", "))
	writeNote(w, "plugin "+p.Name, counts("sessions turned away: ", p.TurnedAway))
	if p.LastFault != nil {
		writeFault(w, p.Name, p.LastFault, now)
	}
}

// asideShown is how many networks a status names; --json has more of them.
const asideShown = 4

// faultFrames is how many of a guest's functions a status names; `weir faults --full` has all.
const faultFrames = 3

func writeFault(w io.Writer, plugin string, f *admin.Fault, now time.Time) {
	what := f.Kind
	if f.During != "" {
		what += " during " + f.During
	}
	if f.Session != 0 {
		what += fmt.Sprintf(", session %d", f.Session)
	}
	if f.Peer != "" {
		what += " of " + f.Peer
	}
	writeNote(w, "plugin "+plugin+"'s last fault", age(now.Sub(f.At))+" ago: "+what+": "+cause(*f))
	if at := ownFrames(f.Stack); len(at) > 0 {
		writeNote(w, "  in", strings.Join(at[:min(len(at), faultFrames)], ", called by "))
	}
	writeNote(w, "  all of it", "weir faults "+plugin+" --full")
}

// ownFrames names the functions of a guest's stack that its author knows, the innermost first: those without a name and those of the language are
// left out.
func ownFrames(stack string) (names []string) {
	for line := range strings.Lines(stack) {
		name := strings.TrimPrefix(strings.TrimSpace(line), ".")
		if i := strings.LastIndexByte(name, '('); i > 0 {
			name = name[:i]
		}
		isOther := slices.ContainsFunc(foreignFrames, func(p string) bool { return strings.HasPrefix(name, p) })
		if name != "" && !isOther && !strings.HasPrefix(line, "\t/") {
			names = append(names, name)
		}
	}
	return names
}

// foreignFrames begin names that tell a plugin's author nothing: none, those of the SDK, and those of the runtimes of Go and Rust.
var foreignFrames = []string{"$", "runtime.", "runtime_", "wasm_", "weir_call", "github.com_weir_media_weir_sdk.", "_rt0_", "core::", "std::", "goroutine ", "panic("}

func writePoints(w io.Writer, all []admin.Point, now time.Time) {
	fmt.Fprintln(w)
	t := newTable(w, "POINT", "STATE", "VIEWERS", "SOURCE", "SINCE", "RENDITIONS")
	for _, p := range all {
		viewers := fmt.Sprint(p.Viewers)
		if p.MaxViewers > 0 {
			viewers += fmt.Sprintf(" of %d", p.MaxViewers)
		}
		since := ""
		if !p.SourceSince.IsZero() {
			since = age(now.Sub(p.SourceSince))
		}
		t.row(p.Name, p.State, viewers, p.Source, since, renditions(p.Renditions))
	}
	t.flush()
	for _, p := range all {
		if p.Template != "" {
			writeNote(w, "point "+p.Name+" was made for an encoder", "from template "+p.Template)
		}
		if p.Reason != "" {
			writeNote(w, "point "+p.Name+" is "+p.State, strings.TrimSpace(p.Code+" "+p.Reason))
		}
		writeNote(w, "limits of point "+p.Name, audience(p.Audience))
		writeArchive(w, p)
		writeMulticast(w, p)
	}
}

func renditions(all []admin.Rendition) string {
	var parts []string
	for _, r := range all {
		held := "no header yet"
		if r.HeaderBytes > 0 {
			held = fmt.Sprintf("%s, %.1fs", size(r.HeldBytes), r.HeldSeconds)
			if r.EarlyPackets > 0 {
				held += ": all that limits.buffer holds"
			}
		}
		if r.From != "" {
			held = "from " + r.From + ", " + held
		}
		parts = append(parts, r.Name+" ("+held+")")
	}
	return strings.Join(parts, " ")
}

func limits(l admin.Limits) string {
	parts := []string{fmt.Sprintf("%d of %d open files", l.OpenFiles, l.MaxOpenFiles)}
	if l.MaxMemoryBytes > 0 {
		parts = append(parts, size(l.MemoryBytes)+" of "+size(l.MaxMemoryBytes)+" memory")
	} else {
		parts = append(parts, size(l.MemoryBytes)+" memory")
	}
	return strings.Join(append(parts, count(l.CPUs, "CPU")), ", ")
}

// counts lists what is not zero, by name.
func counts(title string, of map[string]uint64) string {
	var parts []string
	for name, n := range of {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", clean(name), n))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return title + strings.Join(parts, ", ")
}

func lines(text string) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func writeNote(w io.Writer, title, text string) {
	if text != "" {
		fmt.Fprintf(w, "  %s: %s\n", clean(title), clean(text))
	}
}

func writeBlock(w io.Writer, title string, block []string) {
	if len(block) == 0 {
		return
	}
	fmt.Fprintf(w, "    %s:\n", title)
	for _, l := range block {
		fmt.Fprintf(w, "      %s\n", clean(l))
	}
}
