package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newPluginEnable() *cobra.Command {
	return pluginSwitch("enable NAME", "Start a plugin of the running server, and open its listeners that are not open", "  weir plugin enable wmsp",
		nil, func(cmd *cobra.Command, c *admin.Client, name string) error {
			p, err := c.EnablePlugin(cmd.Context(), name)
			return printPlugin(cmd, p, err)
		})
}

func newPluginDisable() *cobra.Command {
	var reason string
	flags := func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&reason, "reason", "", "what status shall show as the reason")
	}
	return pluginSwitch("disable NAME", "Stop a plugin of the running server; its sessions end", "  weir plugin disable wmsp --reason \"maintenance until noon\"",
		flags, func(cmd *cobra.Command, c *admin.Client, name string) error {
			p, err := c.DisablePlugin(cmd.Context(), name, reason)
			return printPlugin(cmd, p, err)
		})
}

func newPluginReload() *cobra.Command {
	var force bool
	flags := func(cmd *cobra.Command) {
		cmd.Long = "Reload starts a plugin's new module, or program, beside the one that runs, has it answer what that one has answered, and puts it in force.\n" +
			"If it fails, nothing changes, and `weir faults NAME` shows on what."
		cmd.Flags().BoolVar(&force, "force", false, "it need only start: put it in force even if it fails on what the one that runs has answered")
	}
	return pluginSwitch("reload NAME", "Put a plugin's new module in force; its sessions go on", "  weir plugin reload mine\n  weir plugin reload mine --force",
		flags, func(cmd *cobra.Command, c *admin.Client, name string) error {
			change, err := c.ReloadPlugin(cmd.Context(), name, force)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), change)
			}
			writeChange(cmd.OutOrStdout(), change)
			return nil
		})
}

func pluginSwitch(use, summary, example string, flags func(*cobra.Command), act func(*cobra.Command, *admin.Client, string) error) *cobra.Command {
	var at remote
	cmd := &cobra.Command{
		Use:     use,
		Short:   summary,
		Example: example,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := at.client()
			if err != nil {
				return err
			}
			return act(cmd, c, args[0])
		},
	}
	if flags != nil {
		flags(cmd)
	}
	at.flag(cmd)
	return cmd
}

func printPlugin(cmd *cobra.Command, p admin.Plugin, err error) error {
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), p)
	}
	text := "plugin " + p.Name + " is " + p.State
	if p.Reason != "" {
		text = "plugin " + p.Name + " is " + stateWords(p.State, p.State, p.Code, p.Reason)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), clean(text))
	return err
}

// stateWords joins what is said of a state and its reason, which may begin with the state itself.
func stateWords(state, said, code, reason string) string {
	if code == "" && state == said && strings.HasPrefix(reason, state+" ") {
		return reason
	}
	return said + ": " + strings.TrimSpace(code+" "+reason)
}

func writeChange(w io.Writer, c admin.PluginChange) {
	fmt.Fprintf(w, "plugin %s: %s -> %s, %s went over\n", clean(c.Name), build(c.From), build(c.To), count(c.Sessions, "session"))
	writeNote(w, "note", c.Note)
}

func build(b admin.Build) string {
	if b == (admin.Build{}) {
		return "nothing"
	}
	return clean(fmt.Sprintf("%s generation %d (%s)", dash(b.Version), b.Generation, short(b.Hash)))
}
