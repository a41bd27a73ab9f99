package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newPoint() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "point",
		Short:   "Stop and start publishing points of the running server",
		Example: "  weir point stop live --reason \"closed until noon\"\n  weir point start live",
		Args:    cobra.NoArgs,
		RunE:    needCommand,
	}
	cmd.AddCommand(newPointStart(), newPointStop())
	return cmd
}

func newPointStart() *cobra.Command {
	return pluginSwitch("start NAME", "Let a stopped point's source and viewers in again", "  weir point start live",
		nil, func(cmd *cobra.Command, c *admin.Client, name string) error {
			p, err := c.StartPoint(cmd.Context(), name)
			return printPoint(cmd, p, err)
		})
}

func newPointStop() *cobra.Command {
	var reason string
	flags := func(cmd *cobra.Command) {
		cmd.Long = "Stop ends a point's source and its viewers, each with the end that its protocol has, and refuses new ones until the point is started.\n" +
			"A reload of the configuration leaves it stopped, a restart of the server does not."
		cmd.Flags().StringVar(&reason, "reason", "", "what encoders, players and status shall show as the reason")
	}
	return pluginSwitch("stop NAME", "End a point's source and viewers, and refuse new ones", "  weir point stop live --reason \"closed until noon\"",
		flags, func(cmd *cobra.Command, c *admin.Client, name string) error {
			p, err := c.StopPoint(cmd.Context(), name, reason)
			return printPoint(cmd, p, err)
		})
}

func printPoint(cmd *cobra.Command, p admin.Point, err error) error {
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), p)
	}
	text := "point " + p.Name + " is " + p.State
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), clean(text))
	return err
}
