package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newFaults() *cobra.Command {
	var at remote
	var ask faultsAsked
	cmd := &cobra.Command{
		Use:   "faults [PLUGIN]",
		Short: "Show how plugins of the running server have failed",
		Long: "Show the last faults of a plugin, or of all plugins, the latest first. The server keeps 16 of each plugin while it runs.\n\n" +
			"With -o the fault is written as a recording, which `weir plugin replay` plays to any build of the plugin. It holds what the peer sent,\n" +
			"passwords included.",
		Example: "  weir faults\n  weir faults mine --full\n  weir faults mine -o fault.weir",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				ask.plugin = args[0]
			}
			c, err := at.client()
			if err != nil {
				return err
			}
			return ask.run(cmd, c)
		},
	}
	cmd.Flags().BoolVar(&ask.full, "full", false, "all of the guest's stack and log")
	cmd.Flags().Uint64Var(&ask.id, "id", 0, "only the fault with this ID")
	cmd.Flags().StringVarP(&ask.out, "output", "o", "", "write the latest fault, or the one of --id, to this file")
	at.flag(cmd)
	return cmd
}

// faultsAsked is what the user of `weir faults` wants.
type faultsAsked struct {
	plugin, out string
	id          uint64
	full        bool
}

func (a *faultsAsked) run(cmd *cobra.Command, c *admin.Client) error {
	all, err := c.Faults(cmd.Context(), a.plugin)
	if err != nil {
		return err
	}
	if a.id != 0 {
		one, err := c.Fault(cmd.Context(), a.id)
		if err != nil {
			return err
		}
		all = []admin.Fault{one}
	}
	if a.out != "" {
		return a.write(cmd, c, all)
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), all)
	}
	writeFaults(cmd.OutOrStdout(), all, a.full || a.id != 0)
	return nil
}

// write saves the latest fault.
func (a *faultsAsked) write(cmd *cobra.Command, c *admin.Client, all []admin.Fault) error {
	if len(all) == 0 {
		return errors.New("write fault: there is none")
	}
	b, err := c.RecordFault(cmd.Context(), all[0].ID)
	if err != nil {
		return err
	}
	to := &lateFile{path: a.out} // it holds what a peer sent
	_, err = to.Write(b)
	if err = errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("write fault: %w", err)
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), all[0])
	}
	fmt.Fprintf(cmd.OutOrStdout(), "fault %d of plugin %s is in %s; play it to a mended build: weir plugin replay %s%s\n",
		all[0].ID, clean(all[0].Plugin), clean(a.out), clean(a.out), playedTo(all[0]))
	return nil
}

// playedTo is how a command names the build that a fault is played to.
func playedTo(f admin.Fault) string {
	switch {
	case f.Carrier == "proc":
		return " --exec FIXED --mended"
	case isBuiltin(f.Plugin):
		return " --mended"
	}
	return " --module FIXED.wasm --mended"
}

// writeFaults writes faults for a person.
func writeFaults(w io.Writer, all []admin.Fault, full bool) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no fault since the server started")
		return
	}
	t := newTable(w, "ID", "TIME", "PLUGIN", "KIND", "DURING", "SESSION", "PEER", "POINT", "TEXT")
	for _, f := range all {
		session := ""
		if f.Session != 0 {
			session = fmt.Sprint(f.Session)
		}
		t.row(fmt.Sprint(f.ID), f.At.Format(time.DateTime), f.Plugin, f.Kind, f.During, session, f.Peer, f.Point, cause(f))
	}
	t.flush()
	for _, f := range all {
		if full {
			writeFullFault(w, f)
		}
	}
}

// cause is what a fault's line says besides what the other columns do.
func cause(f admin.Fault) string {
	head := f.Kind
	if f.During != "" {
		head += " during " + f.During
	}
	text := f.Text
	if _, after, ok := strings.Cut(f.Text, ": "+head+": "); ok {
		text = after
	}
	if f.Said != "" {
		text += ": " + f.Said
	}
	if f.NotInForce {
		text += " (of a build that was not put in force)"
	}
	return text
}

func writeFullFault(w io.Writer, f admin.Fault) {
	fmt.Fprintf(w, "\nfault %d: %s\n", f.ID, clean(f.Text))
	if f.Version != "" {
		writeNote(w, "plugin", fmt.Sprintf("%s %s, generation %d", f.Plugin, f.Version, f.Generation))
	}
	if f.NotInForce {
		writeNote(w, "not in force", "this build was tried aside, and was not put in force for this")
	}
	writeNote(w, "it said", f.Said)
	if f.Network != "" {
		writeNote(w, "throttled for it", f.Network)
	}
	if f.FrameBytes > 0 {
		writeNote(w, "events held", fmt.Sprintf("%s; weir faults --id %d -o FILE writes them", size(f.FrameBytes), f.ID))
	}
	writeBlock(w, "guest's stack", lines(f.Stack))
	writeBlock(w, "guest's log", lines(f.Log))
}
