package main

import "github.com/spf13/cobra"

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plugin",
		Short:   "Build, test and look into plugins; record, replay, enable, disable and reload those of the running server",
		Example: "  weir plugin build ./mine\n  weir plugin inspect mine.wasm\n  weir plugin reload mine",
		Args:    cobra.NoArgs,
		RunE:    needCommand,
	}
	cmd.AddCommand(newPluginNew(), newPluginBuild(), newPluginInspect(), newPluginTest(), newPluginRecord(), newPluginReplay(),
		newPluginEnable(), newPluginDisable(), newPluginReload())
	return cmd
}
