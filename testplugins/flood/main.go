// Command flood writes more log lines than anybody wants.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /flood, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	q, ok := e.(*abi.HTTPRequest)
	if !ok {
		return nil
	}
	if string(q.Query) == "sin" {
		for range 5_000 {
			sdk.Log(sdk.Error, "a line of a flood")
		}
	}
	v.RespondText(200, abi.ResponseClose, "innocent")
	return nil
}
