// Command grenade is a plugin that dies on request, over connections that stay open. A connection begins with "PIN" and a line feed; each line is
// answered with how many there were, which the host remembers.
package main

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New(nil, event) }) }

func main() { sdk.Main() }

// lines is how many lines a session has sent.
type lines uint64

// AppendState writes the number.
func (l *lines) AppendState(b []byte) []byte {
	if *l == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint64(b, uint64(*l))
}

// ReadState reads the number.
func (l *lines) ReadState(blob []byte) error {
	*l = 0
	if len(blob) == 0 {
		return nil
	}
	if len(blob) != 8 {
		return abi.ESTATE
	}
	*l = lines(binary.LittleEndian.Uint64(blob))
	return nil
}

func event(l *lines, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		obey(e.Query)
		if len(e.Point.Name) > 0 {
			watch(e.Point.Name, v)
			return nil
		}
		v.RespondText(200, abi.ResponseClose, "innocent")
	case *abi.Data:
		taken := 0
		for {
			n := bytes.IndexByte(e.Bytes[taken:], '\n')
			if n < 0 {
				break
			}
			obey(e.Bytes[taken : taken+n])
			taken += n + 1
			*l++
			p := v.Pieces()
			p.Literal(strconv.AppendUint([]byte("alive "), uint64(*l), 10))
			p.Literal([]byte("\n"))
			v.Write(1, p)
		}
		if taken > 0 {
			v.Consume(1, e.Offset+uint64(taken))
		} else {
			v.Need(1, len(e.Bytes)+1)
		}
	case *abi.Stop:
		v.Close(0, abi.CloseFlush, string(e.Text))
	}
	return nil
}

// watch attaches a viewer from a key packet on, as plugin http does.
func watch(point []byte, v *sdk.Verdicts) {
	v.Respond(200, abi.ResponseClose, nil, nil)
	v.Attach(abi.Attach{Conn: 1, Point: point, Rendition: []byte("asf"), Mode: abi.StartKey, OnLag: abi.LagSkip, OnChange: abi.AfterClose,
		OnEnd: abi.AfterClose, WithHeader: 1}, nil)
}

var turns uint64

func obey(order []byte) {
	switch string(order) {
	case "die":
		panic("as was asked for")
	case "spin":
		for {
			turns++
		}
	}
}
