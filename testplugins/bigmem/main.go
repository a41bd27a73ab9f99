// Command bigmem takes memory until there is none.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /bigmem, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	q, ok := e.(*abi.HTTPRequest)
	if !ok {
		return nil
	}
	if string(q.Query) == "sin" {
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	}
	v.RespondText(200, abi.ResponseClose, "innocent")
	return nil
}

var kept [][]byte
