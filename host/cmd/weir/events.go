package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newEvents() *cobra.Command {
	var at remote
	var q admin.EventQuery
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what happens to the running server's points, peers and plugins, until you end it",
		Long: "Events prints a line for each peer that connects, each viewer that begins and ends, each viewer that a limit keeps out, each source that comes and\n" +
			"goes, and each change of a point, plugin or listener, from now on. With --json each line is one JSON object. If you read too slowly, a line says how many you missed.",
		Example: "  weir events --point live --kind play,stop\n  weir events --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := at.client()
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			write, gap := eventWriters(w, wantsJSON(cmd))
			return c.Events(cmd.Context(), q, write, gap)
		},
	}
	cmd.Flags().StringSliceVar(&q.Points, "point", nil, "only those of these points")
	cmd.Flags().StringSliceVar(&q.Kinds, "kind", nil, "only these kinds: connect, describe, play, stop, log, limit, source, point, plugin, listener")
	at.flag(cmd)
	return cmd
}

// eventWriters give what is done with an event, and with a gap of so many.
func eventWriters(w io.Writer, asJSON bool) (write func(admin.Event) error, gap func(uint64) error) {
	if !asJSON {
		return func(e admin.Event) error { return writeEvent(w, e) }, func(n uint64) error {
			_, err := fmt.Fprintf(w, "(%d missed)\n", n)
			return err
		}
	}
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	return func(e admin.Event) error { return lines.Encode(e) }, func(n uint64) error { return lines.Encode(map[string]uint64{"missed": n}) }
}

// writeEvent writes one line for a person.
func writeEvent(w io.Writer, e admin.Event) error {
	parts := []string{e.Time.Local().Format("15:04:05.000"), string(e.Kind)}
	if e.What != "" {
		parts = append(parts, e.What)
	}
	for _, x := range []struct{ title, text string }{
		{"point", e.Point}, {"listener", e.Listener}, {"plugin", e.Plugin}, {"rendition", e.Rendition}, {"peer", e.Peer},
	} {
		if x.text != "" {
			parts = append(parts, x.title+" "+x.text)
		}
	}
	if e.Session != 0 {
		parts = append(parts, fmt.Sprintf("session %d", e.Session))
	}
	if c := e.Client; c != nil && c.UserAgent != "" {
		parts = append(parts, fmt.Sprintf("(%s)", c.UserAgent))
	}
	if t := e.Traffic; t != nil {
		parts = append(parts, fmt.Sprintf("after %s, %s in, %s out", age(time.Duration(t.Seconds*float64(time.Second))), size(t.BytesIn), size(t.BytesOut)))
	}
	text := strings.Join(parts, " ")
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	_, err := fmt.Fprintln(w, clean(text))
	return err
}
