package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/abi/v1"
)

// release is set by the linker in a release (-ldflags "-X main.release=1.2.3").
var release string

// version is the release, else what the Go tool knows of the build.
func version() string {
	if release != "" {
		return release
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "development"
}

// versions is what `weir version` tells.
type versions struct {
	Weir   string   `json:"weir"`
	ABI    []string `json:"abi"`
	Go     string   `json:"go"`
	Wazero string   `json:"wazero"`
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of weir, of the plugin ABI, of Go and of wazero",
		Example: "  weir version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{version(), []string{fmt.Sprintf("%d.%d", abi.Major, abi.Minor)}, runtime.Version(), dependency("github.com/tetratelabs/wazero")}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "weir %s\nabi %s\ngo %s\nwazero %s\n", v.Weir, v.ABI[0], v.Go, v.Wazero)
			return err
		},
	}
}

// dependency is the version of a module that is built in.
func dependency(path string) string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}
