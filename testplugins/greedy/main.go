// Command greedy uses what it was not given.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

// event answers GET /greedy. When the query asks for it, it takes something, and lives on with the refusal.
func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		take(string(e.Query), v)
	case *abi.Refused:
		v.RespondText(200, abi.ResponseClose, "refused with "+e.Code.String())
	}
	return nil
}

func take(what string, v *sdk.Verdicts) {
	switch what {
	case "file": // this and the next three: the manifest asks for it, plugins.yaml does not grant it
		v.Dial(2, []byte("file:/etc/passwd"), 0)
	case "group":
		v.Dial(2, []byte("udp://@239.1.2.3:5000"), 0)
	case "listen":
		v.Dial(2, []byte("udp://@127.0.0.1:5000"), 0)
	case "publish":
		v.Publish([]byte("live"), "bytes:asf", 0)
	case "attach": // granted, but the manifest does not ask for it
		v.Respond(200, 0, nil, nil)
		v.Attach(abi.Attach{Point: []byte("live"), Rendition: []byte("asf")}, nil)
	default:
		v.RespondText(200, abi.ResponseClose, "innocent")
	}
}
