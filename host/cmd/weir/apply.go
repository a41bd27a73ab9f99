package main

import (
	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newApply() *cobra.Command {
	return proposing(&cobra.Command{
		Use:   "apply -c FILE",
		Short: "Put a configuration in force in the running server, all or nothing",
		Long: "Apply opens, reads, compiles and starts aside all that a configuration changes, then puts it in force at once. If anything fails,\n" +
			"nothing has changed. Who is connected stays, unless `weir plan` says otherwise. It does not change the file that `weir serve` was\n" +
			"started with: SIGHUP, and the next start, read that one." + howSent,
		Example: "  weir apply -c plugins.yaml",
	}, (*admin.Client).ApplyConfig)
}
