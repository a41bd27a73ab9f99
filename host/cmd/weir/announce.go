package main

import (
	"github.com/spf13/cobra"
)

func newAnnounce() *cobra.Command {
	var at remote
	var authority string
	cmd := &cobra.Command{
		Use:     "announce POINT FORMAT",
		Short:   "Print an announcement: a document that tells players where a point is",
		Example: "  weir announce live asx --authority media.example.com:8080 > live.asx",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := at.client()
			if err != nil {
				return err
			}
			mediaType, body, err := c.Announce(cmd.Context(), args[0], args[1], authority)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), struct {
					Type string `json:"type"`
					Body string `json:"body"`
				}{mediaType, string(body)})
			}
			_, err = cmd.OutOrStdout().Write(body)
			return err
		},
	}
	cmd.Flags().StringVar(&authority, "authority", "", "HOST:PORT under which players reach the server (default: its listeners' addresses)")
	at.flag(cmd)
	return cmd
}
