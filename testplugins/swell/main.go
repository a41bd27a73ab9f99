// Command swell multiplies a few bytes to a great body.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// marks is how many times one header is marked: a header is some 700 bytes.
const marks = 12_000

// event answers GET /swell, and sins when the query asks for it.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		if string(e.Query) == "sin" {
			p := v.Pieces()
			for range marks {
				p.RenditionHeader([]byte("live"), "asf")
			}
			v.Respond(200, 0, nil, p)
			return nil
		}
		v.RespondText(200, abi.ResponseClose, "innocent")
	case *abi.Refused:
		v.RespondText(500, abi.ResponseClose, e.Code.String()+": "+string(e.Text))
	}
	return nil
}
