// Command tiny is a plugin for the tests of `weir plugin build`.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

func event(*sdk.Stateless, abi.Record, *sdk.Verdicts) error { return nil }
