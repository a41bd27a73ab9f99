// Command cost does as little as a plugin can with each kind of event: it looks at each header field of a request, at each byte of input and at each
// packet, and answers in the fewest verdicts. What a call of it takes is what an event costs.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[sdk.Stateless](nil, event) }) }

func main() { sdk.Main() }

func event(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		n := 0
		for f := range e.Fields.All() {
			n += len(f.Name) + len(f.Value)
		}
		v.SetTimer(1, int64(n))
	case *abi.Data:
		v.Consume(1, e.Offset+uint64(blank(e.Bytes)))
	case *abi.Packets:
		for n := range e.Packets.All() {
			p := v.Pieces()
			p.Literal(head[:])
			p.PacketBytes(n.Sequence, 0, int(n.Size))
			v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: n.Flags, Track: n.Track, Tag: n.Tag}, p)
		}
	}
	return nil
}

var head [12]byte

// blank gives the length of what ends with a blank line, or of all.
func blank(b []byte) int {
	for i := 3; i < len(b); i++ {
		if b[i] == '\n' && b[i-1] == '\r' && b[i-2] == '\n' && b[i-3] == '\r' {
			return i + 1
		}
	}
	return len(b)
}
