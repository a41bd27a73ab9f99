// Command trap reads outside of its memory.
package main

import (
	"unsafe"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /trap, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	q, ok := e.(*abi.HTTPRequest)
	if !ok {
		return nil
	}
	if string(q.Query) == "sin" {
		v.RespondText(200, 0, string(*(*byte)(unsafe.Add(unsafe.Pointer(&base), outside))))
		return nil
	}
	v.RespondText(200, abi.ResponseClose, "innocent")
	return nil
}

// outside is a distance that leads above any memory limit; a variable, so that it is
// not judged at compile time.
var (
	outside = 0xF000_0000
	base    byte
)
