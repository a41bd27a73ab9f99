package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// run notes how far a command line came: what goes wrong before a command starts is bad usage.
type run struct{ started bool }

// usageError is bad usage that a command finds out itself.
type usageError struct{ error }

// errShown is returned by a command that failed and has printed why.
var errShown = errors.New("failed")

func newRoot(r *run) *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Live-media server whose protocols, sources and announcements are plugins",
		Long: "weir is a live-media server whose protocols, encoder sources and announcements are plugins.\n\n" +
			"Exit codes: 0 done, 1 failed, 2 bad usage.",
		Example:       "  weir serve -c plugins.yaml\n  weir status",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			r.started = true
		},
		Args: cobra.NoArgs,
		RunE: needCommand,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().Bool("json", false, "print JSON")
	root.AddCommand(newServe(), newCheck(), newStatus(), newPorts(), newSessions(), newEvents(), newPoint(), newFaults(), newPlan(), newApply(), newAnnounce(), newError(), newUser(), newPlugin(), newVersion())
	return root
}

// needCommand is what a command does that only has commands of its own.
func needCommand(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	_ = cmd.Help()
	return usageError{errShown}
}

// end prints what went wrong and gives the exit code.
func (r *run) end(cmd *cobra.Command, err error, errOut io.Writer) int {
	if err == nil {
		return exitOK
	}
	var usage usageError
	bad := !r.started || errors.As(err, &usage)
	if !errors.Is(err, errShown) {
		fmt.Fprintln(errOut, cleanLines(err.Error()))
		if bad {
			fmt.Fprintf(errOut, "see: %s --help\n", cmd.CommandPath())
		}
	}
	if bad {
		return exitUsage
	}
	return exitFailed
}
