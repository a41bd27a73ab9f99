// Command callbomb has functions that call each other without end and without a loop.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /callbomb, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	q, ok := e.(*abi.HTTPRequest)
	if !ok {
		return nil
	}
	if string(q.Query) == "sin" {
		depth = ping(1)
	}
	v.RespondText(200, abi.ResponseClose, "innocent")
	return nil
}

var depth uint64

//go:noinline
func ping(n uint64) uint64 { return pong(n+1) + pong(n+2) }

//go:noinline
func pong(n uint64) uint64 {
	if n > 60 { // 2^60 calls before the first returns
		return n
	}
	return ping(n) + 1
}
