package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
)

// plugin is the configuration of one instance. What a session must remember between
// its events belongs into a state type instead; this plugin needs none.
type plugin struct {
	greeting string
}

func newPlugin() *sdk.Plugin {
	p := &plugin{}
	return sdk.New[sdk.Stateless](p.open, p.event)
}

// open is called once for each new instance.
func (p *plugin) open(o *abi.Open) error {
	p.greeting = sdk.Config(o.Config).Text("greeting", "hello")
	return nil
}

// event is called for each event and answers it with verdicts; events that do not
// concern it are left alone. Verdicts that cannot be carried out (a grant is missing, the
// point is not live) are not, none of them, and *abi.Refused comes with the reason: a
// plugin that asks for anything answers its peer there. This one asks for nothing.
func (p *plugin) event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		v.RespondText(200, 0, p.greeting+", "+name(e.Query))
	}
	return nil
}

// name finds name=N in a query.
func name(query []byte) string {
	for rest, more := query, true; more; {
		var key, value []byte
		key, value, rest, more = httptext.NextQuery(rest)
		if sdk.String(key) == "name" && len(value) > 0 {
			if decoded, err := httptext.AppendDecoded(nil, value); err == nil {
				return string(decoded)
			}
		}
	}
	return "world"
}
