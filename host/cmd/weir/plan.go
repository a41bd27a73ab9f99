package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

// howSent is the part of the help that both commands share.
const howSent = "\n\nThe text of FILE is sent to the running server. Through its unix socket relative paths start in the folder of FILE, as they do for\n" +
	"`weir serve`; over TCP the server may be another computer, so they start in the folder of the configuration that runs there.\n" +
	"WEIR_ variables count as the server has them. A mistake refuses the whole file: FILE:LINE: key: what is wrong; how to mend it."

func newPlan() *cobra.Command {
	return proposing(&cobra.Command{
		Use:   "plan -c FILE",
		Short: "Tell what a configuration would change in the running server",
		Long: "Plan compares a configuration with the one that runs and changes nothing. It prints each key that differs, what each change\n" +
			"means for those who are connected, the announced URLs that become others, and the sessions that `weir apply` would touch. New\n" +
			"addresses are bound for a moment, so that one that cannot be had is refused as `weir apply` would refuse it." + howSent,
		Example: "  weir plan -c plugins.yaml",
	}, (*admin.Client).PlanConfig)
}

// proposing makes a command that sends a configuration and prints the plan that comes back.
func proposing(cmd *cobra.Command, send func(*admin.Client, context.Context, admin.Proposal) (admin.Plan, error)) *cobra.Command {
	var at remote
	var file string
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return usageError{errors.New("which configuration? name it with -c FILE")}
		}
		c, err := at.client()
		if err != nil {
			return err
		}
		p, err := proposal(file, c.IsLocal())
		if err != nil {
			return err
		}
		plan, err := send(c, cmd.Context(), p)
		if err != nil {
			return err
		}
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), plan)
		}
		writePlan(cmd.OutOrStdout(), plan)
		return nil
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration to send")
	at.flag(cmd)
	return cmd
}

// proposal reads a configuration. Its folder means something to a server on this computer alone.
func proposal(file string, isLocal bool) (admin.Proposal, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return admin.Proposal{}, fmt.Errorf("read configuration: %w", err)
	}
	p := admin.Proposal{File: filepath.Base(file), Text: string(text)}
	if isLocal {
		if p.File, err = filepath.Abs(file); err != nil {
			return admin.Proposal{}, fmt.Errorf("find configuration: %w", err)
		}
		p.Dir = filepath.Dir(p.File)
	}
	return p, nil
}

func writePlan(w io.Writer, p admin.Plan) {
	for _, text := range p.Warnings {
		fmt.Fprintln(w, "warning: "+clean(text))
	}
	if len(p.Changes) == 0 {
		fmt.Fprintln(w, "nothing differs from what runs")
		return
	}
	for _, c := range p.Changes {
		fmt.Fprintln(w, clean(c.Action+" "+c.What+" "+c.Name))
		for _, k := range c.Keys {
			fmt.Fprintln(w, clean("  "+k.Key+": "+dash(k.Old)+" -> "+dash(k.New)))
		}
		writeNote(w, "note", c.Note)
	}
	if len(p.URLs) > 0 {
		fmt.Fprintln(w, "\nannounced URLs")
		t := newTable(w, "POINT", "PLUGIN", "OLD", "NEW")
		for _, u := range p.URLs {
			t.row(u.Point, u.Plugin, u.Old, u.New)
		}
		t.flush()
	}
	fmt.Fprintln(w)
	switch done := p.Applied; {
	case len(p.Sessions) == 0 && done:
		fmt.Fprintln(w, "in force; no session was touched")
	case len(p.Sessions) == 0:
		fmt.Fprintln(w, "no session would be touched")
	case done:
		fmt.Fprintln(w, "in force; touched "+effects(p.Sessions))
	default:
		fmt.Fprintln(w, "would touch "+effects(p.Sessions))
	}
	if len(p.Sessions) == 0 {
		return
	}
	t := newTable(w, "SESSION", "PLUGIN", "ROLE", "PEER", "POINT", "EFFECT", "WHY")
	for _, s := range p.Sessions {
		t.row(fmt.Sprint(s.ID), s.Plugin, s.Role, s.Peer, s.Point, s.Effect, s.Why)
	}
	t.flush()
}

// effects counts sessions by what happens to them.
func effects(all []admin.Touched) string {
	var parts []string
	for _, e := range []struct{ effect, one, more string }{
		{admin.Ends, "ends", "end"}, {admin.Moves, "moves to a new generation", "move to a new generation"},
		{admin.Stays, "stays with the old build for a while", "stay with the old build for a while"}, {admin.Waits, "waits for another source", "wait for another source"},
		{admin.Kept, "stays, though the access rules would not let it in again", "stay, though the access rules would not let them in again"},
	} {
		n := 0
		for _, s := range all {
			if s.Effect == e.effect {
				n++
			}
		}
		switch n {
		case 0:
		case 1:
			parts = append(parts, "1 "+e.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, e.more))
		}
	}
	return count(len(all), "session") + ": " + strings.Join(parts, ", ")
}
