package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newSessions() *cobra.Command {
	var at remote
	var point string
	cmd := &cobra.Command{
		Use:     "sessions",
		Short:   "Show who is connected to the running server",
		Example: "  weir sessions --point live",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := at.client()
			if err != nil {
				return err
			}
			all, err := c.Sessions(cmd.Context(), point)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), all)
			}
			writeSessions(cmd.OutOrStdout(), all, time.Now())
			return nil
		},
	}
	cmd.Flags().StringVar(&point, "point", "", "only those of this point")
	at.flag(cmd)
	return cmd
}

// writeSessions writes sessions for a person; lag is how far a viewer is behind live.
func writeSessions(w io.Writer, all []admin.Session, now time.Time) {
	t := newTable(w, "ID", "ROLE", "PLUGIN", "POINT", "RENDITION", "PEER", "USER", "SINCE", "IN", "OUT", "PACKETS", "LAG", "DROPPED")
	for _, s := range all {
		lag := ""
		if s.LagMillis > 0 || s.LagBytes > 0 {
			lag = fmt.Sprintf("%.1fs (%s)", float64(s.LagMillis)/1000, size(s.LagBytes))
		}
		t.row(fmt.Sprint(s.ID), s.Role, s.Plugin, s.Point, s.Rendition, s.Peer, s.User, age(now.Sub(s.Since)), size(s.BytesIn), size(s.BytesOut),
			fmt.Sprint(s.Packets), lag, fmt.Sprint(s.DroppedPackets))
	}
	t.flush()
}
