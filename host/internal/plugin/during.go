package plugin

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// During names a frame of events for a Fault, by its first event that is not a held state. What no version of the ABI knows is told of only where
// there is nothing else: it is there to be skipped.
func During(frame []byte) string {
	var records abi.Reader
	if records.Reset(frame) != nil {
		return "malformed frame"
	}
	name, unknown, more := "", "", 0
	for {
		raw, ok, err := records.Next()
		switch {
		case !ok || err != nil:
			return cmp.Or(withMore(name, more), unknown, "empty frame")
		case raw.Op == abi.OpState:
		case strings.HasPrefix(raw.Op.String(), "OP_"):
			unknown = raw.Op.String()
		case name == "":
			name = raw.Op.String()
		default:
			more++
		}
	}
}

func withMore(name string, more int) string {
	switch more {
	case 0:
		return name
	case 1:
		return name + " and 1 more event"
	}
	return fmt.Sprintf("%s and %d more events", name, more)
}
