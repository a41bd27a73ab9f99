// Command recurse calls itself without end.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /recurse, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	q, ok := e.(*abi.HTTPRequest)
	if !ok {
		return nil
	}
	if string(q.Query) == "sin" {
		depth = down(1)
	}
	v.RespondText(200, abi.ResponseClose, "innocent")
	return nil
}

var depth uint64

//go:noinline
func down(n uint64) uint64 {
	var room [64]uint64
	room[n%64] = n
	return down(n+1) + room[(n+1)%64]
}
