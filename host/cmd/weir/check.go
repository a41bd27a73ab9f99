package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host"
)

func newCheck() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Judge a configuration without running it",
		Long: "Check reads a configuration and the plugins that it names, and prints each mistake as\nFILE:LINE: key: what is wrong; how to mend it\n" +
			"What may not be meant is a warning, which leaves the exit code 0.",
		Example: "  weir check -c plugins.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := configPath(config)
			warnings, err := host.Check(path, os.Environ())
			if wantsJSON(cmd) {
				return printCheck(cmd, warnings, err)
			}
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+cleanLines(w))
			}
			if err != nil {
				return err
			}
			if path == "" {
				path = "the built-in configuration"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is good\n", path)
			return err
		},
	}
	configFlag(cmd, &config)
	return cmd
}

func printCheck(cmd *cobra.Command, warnings []string, found error) error {
	answer := struct {
		Good     bool     `json:"good"`
		Problems []string `json:"problems"`
		Warnings []string `json:"warnings"`
	}{Good: found == nil, Problems: []string{}, Warnings: append([]string{}, warnings...)}
	if found != nil {
		answer.Problems = strings.Split(found.Error(), "\n")
	}
	if err := printJSON(cmd.OutOrStdout(), answer); err != nil {
		return err
	}
	if found != nil {
		return errShown
	}
	return nil
}
