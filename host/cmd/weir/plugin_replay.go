package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/plugin/builtin"
	"github.com/weir-media/weir/host/internal/plugin/record"
)

func newPluginReplay() *cobra.Command {
	var build opened
	var mended, anyName bool
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Play a recording to a build of its plugin, and tell what it answers otherwise",
		Long: "Replay gives the recorded calls to fresh instances, in order, and compares the answers byte for byte, and faults by their kind.\n" +
			"FILE comes from `weir plugin record` or `weir faults -o`. Without --module or --exec it plays to the built-in plugin of that name.\n" +
			"Exit code 1: something differs. With --mended the faults of the recording must not come again, and all else must be the same.",
		Example: "  weir plugin replay wmsp.weir\n  weir faults mine -o fault.weir && weir plugin replay fault.weir --module fixed.wasm --mended",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := replay(cmd, &build, args[0], anyName)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			good := found.Different+found.Mended+found.Unjudged == 0
			if mended {
				good = found.Different+found.Repeated+found.Unjudged == 0
			}
			if wantsJSON(cmd) {
				err = printJSON(cmd.OutOrStdout(), replayed(found, good))
			} else {
				writeReplay(cmd.OutOrStdout(), found)
			}
			if err == nil && !good {
				return errShown
			}
			return err
		},
	}
	build.flags(cmd)
	cmd.Flags().BoolVar(&mended, "mended", false, "the recorded faults must not come again")
	cmd.Flags().BoolVar(&anyName, "any", false, "play it to a build of another name too, as of a plugin that was renamed")
	return cmd
}

func replay(cmd *cobra.Command, build *opened, path string, anyName bool) (found record.Result, err error) {
	f, err := os.Open(path)
	if err != nil {
		return found, errors.Unwrap(err)
	}
	defer f.Close()
	r, err := record.NewReader(bufio.NewReader(f))
	if err != nil {
		return found, err
	}
	of := r.Header().Plugin
	if build.module == "" && build.exec == "" {
		if !isBuiltin(of) {
			return found, fmt.Errorf("the recording is of plugin %s, which is not built into weir; say with --module or --exec which build to play it to", of)
		}
		build.module = builtinPrefix + of
	}
	g, err := build.open(cmd.Context())
	if err != nil {
		return found, err
	}
	defer g.Close()
	if is := g.Manifest().Name; is != of && !anyName {
		return found, fmt.Errorf("the recording is of plugin %s, and %s is plugin %s; name a build of %[1]s, or say --any if it is the same under another name",
			of, build.module+build.exec, is)
	}
	return record.Replay(cmd.Context(), r, g)
}

func isBuiltin(name string) bool { return slices.Contains(builtin.Names(), name) }

// replayedBuild and replayedResult are a replay as --json prints it.
type replayedBuild struct {
	Version string `json:"version"`
	Hash    string `json:"sha256"`
	Carrier string `json:"carrier"`
}

type replayedResult struct {
	Good        bool                `json:"good"`
	Plugin      string              `json:"plugin"`
	Begin       time.Time           `json:"begin"`
	Was         replayedBuild       `json:"was"`
	Is          replayedBuild       `json:"is"`
	Instances   int                 `json:"instances"`
	Calls       int                 `json:"calls"`
	Events      int                 `json:"events"`
	Faults      int                 `json:"faults"`
	Counts      record.Counts       `json:"counts"`
	Differences []record.Difference `json:"differences"`
	Ended       string              `json:"ended"`
}

func replayed(r record.Result, good bool) replayedResult {
	x := replayedResult{Good: good, Plugin: r.Header.Plugin, Begin: r.Header.Begin, Was: replayedBuild{r.Was.Version, r.Was.Hash, r.Was.Carrier},
		Is: replayedBuild{r.Is.Version, r.Is.Hash, r.Is.Carrier}, Instances: r.Instances, Calls: r.Calls, Events: r.Events, Faults: r.Faults,
		Counts: r.Counts, Differences: r.Told, Ended: endOf(r.Reason, r.Torn)}
	if x.Differences == nil {
		x.Differences = []record.Difference{}
	}
	return x
}

func writeReplay(w io.Writer, r record.Result) {
	fmt.Fprintf(w, "recording of %s: %s, %s, %s, %s; it began %s; %s\n", buildText(r.Header.Plugin, r.Was), count(r.Instances, "instance"), count(r.Calls, "call"),
		count(r.Events, "event"), count(r.Faults, "fault"), r.Header.Begin.Format(time.DateTime), clean(endOf(r.Reason, r.Torn)))
	fmt.Fprintf(w, "played to %s\n", buildText(r.Header.Plugin, r.Is))
	for _, d := range r.Told {
		fmt.Fprintf(w, "\n%s\n", clean(d.String()))
		writeBlock(w, "told", nonempty(d.Event))
		writeBlock(w, "answered then", d.Was)
		writeBlock(w, "answers now", d.Is)
	}
	if len(r.Told) > 0 {
		fmt.Fprintln(w)
	}
	parts := []string{fmt.Sprintf("%d the same", r.Same)}
	for _, p := range []struct {
		n    int
		text string
	}{{r.Repeated, "of them faults again"}, {r.Different, "different"}, {r.Mended, "mended (a fault then, answered now)"},
		{r.Unjudged, "answered now that only a server can judge"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	fmt.Fprintln(w, strings.Join(parts, ", "))
}

func nonempty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func buildText(name string, b record.Build) string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", clean(name), clean(b.Version), clean(b.Carrier), short(clean(b.Hash)))), " ")
}
