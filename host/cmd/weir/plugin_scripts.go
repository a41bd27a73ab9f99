package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/conform"
	"github.com/weir-media/weir/sdk/sdktest"
)

// freshRounds is how many fresh instances see each event: enough that an answer which follows the order of a map differs at least once (chosen).
const freshRounds = 8

func newPluginTest() *cobra.Command {
	var build opened
	rounds := freshRounds
	cmd := &cobra.Command{
		Use:   "test DIR|FILE [SCRIPT...]",
		Short: "Run conversation scripts against a plugin as a server would carry it",
		Long: "Test runs scripts (abi: package sdktest) against a plugin: a folder of Go source, which is built, a WebAssembly module or a program.\n" +
			"Without SCRIPT it takes DIR/testdata/*.script, or those of testdata beside FILE. Each event is also given to instances that have seen\n" +
			"nothing but OPEN, whose answers must be the same: a plugin that remembers anything outside its state fails.",
		Example: "  weir plugin test ./mine\n  weir plugin test mine.wasm testdata/login.script",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scripts, err := scriptsOf(args[0], args[1:])
			if err != nil {
				return usageError{err}
			}
			g, err := build.file(cmd.Context(), args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer g.Close()
			return runScripts(cmd, g, scripts, rounds)
		},
	}
	cmd.Flags().IntVar(&rounds, "fresh", rounds, "how many fresh instances each event is given to")
	build.userFlag(cmd)
	return cmd
}

func scriptsOf(target string, named []string) ([]string, error) {
	if len(named) > 0 {
		return named, nil
	}
	st, err := os.Stat(target)
	if err != nil {
		return nil, err
	}
	dir := target
	if !st.IsDir() {
		dir = filepath.Dir(target)
	}
	pattern := filepath.Join(dir, "testdata", "*.script")
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("there are no scripts at %s; name some: weir plugin test %s SCRIPT", pattern, target)
	}
	return found, err
}

// scriptResult is a script as --json prints it.
type scriptResult struct {
	Script string `json:"script"`
	Good   bool   `json:"good"`
	Error  string `json:"error,omitempty"`
}

func runScripts(cmd *cobra.Command, g plugin.Generation, scripts []string, rounds int) error {
	var all []scriptResult
	good := true
	for _, path := range scripts {
		r := scriptResult{Script: path, Good: true}
		if err := runScript(cmd.Context(), g, path, rounds); err != nil {
			good, r.Good, r.Error = false, false, err.Error()
		}
		all = append(all, r)
		switch {
		case wantsJSON(cmd):
		case r.Good:
			fmt.Fprintf(cmd.OutOrStdout(), "ok    %s\n", clean(path))
		default:
			fmt.Fprintf(cmd.OutOrStdout(), "FAIL  %s: %s\n", clean(path), cleanLines(r.Error))
		}
	}
	if wantsJSON(cmd) {
		if err := printJSON(cmd.OutOrStdout(), all); err != nil {
			return err
		}
	}
	if !good {
		return errShown
	}
	return nil
}

// runScript has an instance of its own for each script, so that none needs another to have run before.
func runScript(ctx context.Context, g plugin.Generation, path string, rounds int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	carrier, err := conform.NewAmnesia(g, max(rounds, 0))
	if err != nil {
		return errors.Join(errors.New("the plugin does not start"), err)
	}
	defer carrier.Close()
	return sdktest.CheckFile(path, carrier)
}
