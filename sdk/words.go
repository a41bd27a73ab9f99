package sdk

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
)

// Because gives ": " and a text that says why, to stand behind what is said; empty if the text
// is. The result shares no memory with text. It is safe for concurrent use.
func Because(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	return ": " + string(text)
}

// Quote gives a name that anybody may have written in Go's quotes, which no line breaks out of.
// The result shares no memory with name. It is safe for concurrent use.
func Quote(name []byte) string { return strconv.Quote(string(name)) }

// LimitWords gives what follows the name of a point at which a limit keeps a viewer out. It is
// safe for concurrent use.
func LimitWords(l abi.Limit) string {
	switch l {
	case abi.LimitViewers | abi.LimitOfServer:
		return " is on a server that has as many viewers as it may"
	case abi.LimitBandwidth | abi.LimitOfServer:
		return " is on a server that has no bandwidth left for another viewer"
	}
	switch l.Kind() {
	case abi.LimitBandwidth:
		return " has no bandwidth left for another viewer"
	case abi.LimitPerViewer:
		return " is faster than a viewer may be sent"
	case abi.LimitJoins:
		return " is asked for by too many at once; try again"
	}
	return " has as many viewers as it may"
}
