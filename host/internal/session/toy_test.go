package session

import (
	"encoding/binary"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// A toy stream is packets: u32 size of the payload, u32 DTS in milliseconds, payload.
// Each is a key packet.

const toyHead = 8

func toyPacket(dts time.Duration, payload string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, uint32(dts.Milliseconds()))
	return append(b, payload...)
}

// toyStep is the distance of a toy file's packets.
const toyStep = 500 * time.Millisecond

func toyFile(packets int) []byte {
	var b []byte
	for i := range packets {
		b = append(b, toyPacket(time.Duration(i)*toyStep, "payload")...)
	}
	return b
}

// toy is the format's plugin. Its state is where the current round began, in ns, and
// the last DTS.
func toy(m *memo, e abi.Record, v *sdk.Verdicts) error {
	var begin, last int64
	if len(*m) == 16 {
		begin, last = int64(binary.LittleEndian.Uint64(*m)), int64(binary.LittleEndian.Uint64((*m)[8:]))
	}
	switch e := e.(type) {
	case *abi.Published:
		begin = e.NextTime
		p := v.Pieces()
		p.Text("toy header")
		v.Header(p)
	case *abi.End:
		if e.Reason == abi.EndLoop {
			begin = last + int64(toyStep)
		}
	case *abi.Data:
		last = toyPackets(e, begin, last, v)
	}
	*m = binary.LittleEndian.AppendUint64((*m)[:0], uint64(begin))
	*m = binary.LittleEndian.AppendUint64(*m, uint64(last))
	return nil
}

func toyPackets(e *abi.Data, begin, last int64, v *sdk.Verdicts) int64 {
	at := 0
	for b := e.Bytes; len(b) >= toyHead; {
		n := int(binary.LittleEndian.Uint32(b))
		if len(b) < toyHead+n {
			break
		}
		last = begin + int64(binary.LittleEndian.Uint32(b[4:]))*int64(time.Millisecond)
		p := v.Pieces()
		p.Input(e.Offset+uint64(at+toyHead), n)
		v.Packet(abi.Packet{PTS: last, DTS: last, Flags: abi.PacketKey}, p)
		b = b[toyHead+n:]
		at += toyHead + n
	}
	if at > 0 {
		v.Consume(1, e.Offset+uint64(at))
	}
	return last
}

const fileYAML = `
name: file
roles: [source]
sources: [file]
capabilities: [publish, read]
state: {schema: file/1}
`

// filer feeds a point from a file; loops says whether over and over.
func filer(loops bool) handler {
	return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Start:
			*m = append(memo(nil), e.Point...)
			var flags abi.DialFlags
			if loops {
				flags = abi.DialLoop
			}
			v.Dial(2, e.URL, flags)
		case *abi.Dialed:
			if e.Code != abi.OK {
				v.Close(0, abi.CloseNow, string(e.Text))
				return nil //nolint:nilerr // the error is for the plugin, not for the call
			}
			v.Publish(*m, "bytes:toy", abi.PublishPace)
			v.FeedThrough(2)
		case *abi.End:
			if e.Reason != abi.EndLoop {
				v.Close(0, abi.CloseNow, "the file ended")
			}
		case *abi.Refused:
			v.Close(0, abi.CloseNow, string(e.Text))
		}
		return nil
	}
}
