package sdktest

import (
	"reflect"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// named lists the numbers of one abi type in the order of their value, or of their bit.
type named struct {
	first int64
	bits  bool
	names []string
}

var names = map[reflect.Type]named{
	reflect.TypeFor[abi.DataFlags]():     {1, true, []string{"last"}},
	reflect.TypeFor[abi.Transport]():     {0, false, []string{"stream", "datagrams"}},
	reflect.TypeFor[abi.EndReason]():     {0, false, []string{"closed", "reset", "timeout", "loop", "parent"}},
	reflect.TypeFor[abi.BodyKind]():      {0, false, []string{"none", "length", "chunked", "toclose"}},
	reflect.TypeFor[abi.StopReason]():    {0, false, []string{"point", "disabled", "draining", "child"}},
	reflect.TypeFor[abi.PointState]():    {0, false, []string{"unknown", "idle", "waiting", "live", "draining", "failed", "stopped"}},
	reflect.TypeFor[abi.EndpointKind]():  {0, false, []string{"unicast", "multicast", "document"}},
	reflect.TypeFor[abi.PieceKind]():     {0, false, []string{"literal", "input", "header", "packet"}},
	reflect.TypeFor[abi.ResponseFlags](): {1, true, []string{"close", "reset"}},
	reflect.TypeFor[abi.StartMode]():     {0, false, []string{"live", "key", "burst", "seq", "time"}},
	reflect.TypeFor[abi.LagRule]():       {0, false, []string{"skip", "close"}},
	reflect.TypeFor[abi.AfterRule]():     {0, false, []string{"close", "continue", "event"}},
	reflect.TypeFor[abi.PublishFlags]():  {1, true, []string{"pace", "autodestroy"}},
	reflect.TypeFor[abi.FeedFlags]():     {1, true, []string{"through"}},
	reflect.TypeFor[abi.PacketFlags]():   {1, true, []string{"key", "discontinuity"}},
	reflect.TypeFor[abi.DialFlags]():     {1, true, []string{"loop"}},
	reflect.TypeFor[abi.LoginFor]():      {0, false, []string{"play", "publish"}},
	reflect.TypeFor[abi.CloseMode]():     {0, false, []string{"flush", "now", "reset"}},
}

func numberOf(t reflect.Type, name string) (int64, bool) {
	switch t {
	case reflect.TypeFor[abi.Code]():
		for c := abi.OK; c.String() != "E?"; c-- {
			if c.String() == name {
				return int64(c), true
			}
		}
		return 0, false
	case reflect.TypeFor[abi.Op]():
		op, ok := opNamed(name)
		return int64(op), ok
	}
	l := names[t]
	for i, s := range l.names {
		if s != name {
			continue
		}
		if l.bits {
			return l.first << i, true
		}
		return l.first + int64(i), true
	}
	return 0, false
}

// nameOf gives a number's name, empty if it has none.
func nameOf(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case abi.Code:
		return x.String()
	case abi.Op:
		return x.String()
	}
	l, ok := names[v.Type()]
	if !ok {
		return ""
	}
	n := int64(v.Uint())
	if !l.bits {
		if i := n - l.first; i >= 0 && i < int64(len(l.names)) {
			return l.names[i]
		}
		return ""
	}
	var set []string
	for i, s := range l.names {
		if bit := l.first << i; n&bit != 0 {
			set = append(set, s)
			n &^= bit
		}
	}
	if n != 0 {
		return ""
	}
	return strings.Join(set, "|")
}
