// Command trickle answers each refusal with another bad batch.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /trickle, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		if string(e.Query) == "sin" {
			v.Watch([]byte("no such point"))
			return nil
		}
		v.RespondText(200, abi.ResponseClose, "innocent")
	case *abi.Refused:
		v.Watch([]byte("no such point either"))
	}
	return nil
}
