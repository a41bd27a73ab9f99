// Command mayfly ends its process as soon as it is told to begin.
package main

import (
	"os"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() {
	sdk.Register(func() *sdk.Plugin {
		return sdk.New[sdk.Stateless](open, func(*sdk.Stateless, abi.Record, *sdk.Verdicts) error { return nil })
	})
}

func main() { sdk.Main() }

// open is called with the configuration, and does not return.
func open(*abi.Open) error {
	_, _ = os.Stderr.WriteString("my time has come\n")
	os.Exit(10)
	return nil
}
