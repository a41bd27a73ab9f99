// Command badspan marks input that the host does not hold.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /badspan, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	q, ok := e.(*abi.HTTPRequest)
	if !ok {
		return nil
	}
	if string(q.Query) == "sin" {
		p := v.Pieces()
		p.Input(1<<40, 100)
		v.Respond(200, 0, nil, p)
		return nil
	}
	v.RespondText(200, abi.ResponseClose, "innocent")
	return nil
}
