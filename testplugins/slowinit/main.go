// Command slowinit never finishes its start.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() {
	sdk.Register(func() *sdk.Plugin {
		return sdk.New[sdk.Stateless](wait, func(*sdk.Stateless, abi.Record, *sdk.Verdicts) error { return nil })
	})
}

func main() { sdk.Main() }

var turns uint64

// wait is called with the configuration, and does not return.
func wait(*abi.Open) error {
	for {
		turns++
	}
}
