package main

import (
	"bytes"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

// say builds a player's message: fields of 32 bits, then a text in UTF-16 with a NUL.
func say(k kind, text string, fields ...uint32) []byte {
	b := append([]byte(signature), make([]byte, fieldsAt-len(signature))...)
	for _, f := range fields {
		b = le.AppendUint32(b, f)
	}
	if text != "" {
		for _, c := range []byte(text) {
			b = append(b, c, 0)
		}
		b = append(b, 0, 0)
	}
	for len(b)%chunk != 0 {
		b = append(b, 0)
	}
	le.PutUint32(b[lengthAt:], uint32(len(b)-uncounted))
	copy(b[sealAt:], seal)
	le.PutUint16(b[kindAt:], uint16(k))
	le.PutUint16(b[kindAt+2:], fromPlayer)
	return b
}

// What a player says on its way to the stream, as ffmpeg does.
func sayConnect() []byte {
	return say(viewerConnect, "NSPlayer/7.0.0.1956; Host: h", 0, 0x0004000B, 0x0003001C)
}
func sayFunnel(name string) []byte {
	return say(connectFunnel, name, 0, 0xFFFFFFFF, 0, 0x00989680, 2)
}
func sayOpen(path string) []byte { return say(openFile, path, 1, 0xFFFFFFFF, 0, 0) }
func sayRead() []byte {
	return say(readBlock, "", 1, 0, 0, 0x00800000, 0xFFFFFFFF, 0, 0, 0, 0, 0x40AC2000, 2, 0)
}
func saySwitch() []byte { return say(streamSwitch, "", 1, 0x0001FFFF, 0) }
func sayStart(incarnation uint32) []byte {
	return say(startPlaying, "", 1, 0x0001FFFF, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0x00FFFFFF, incarnation)
}
func sayStop() []byte  { return say(stopPlaying, "", 1, 0x001FFFFF) }
func sayPong() []byte  { return say(viewerPong, "", 1, 0x0100FFFF) }
func sayClose() []byte { return say(closeFile, "", 1, 1) }

// stand is a player before the plugin, with what the host would do in between.
type stand struct {
	*sdktest.Rig
	t    testing.TB
	seen int // of Verdicts
}

func newStand(t testing.TB) *stand { return &stand{Rig: sdktest.NewRig(t, newPlugin), t: t} }

// answer is what one event brought.
type answer struct {
	out      []byte // literals of WRITE, and {header} for the rendition's
	verdicts []abi.Record
}

const headerMark = "{header}"

// take gives what has come since the last take.
func (s *stand) take() (a answer) {
	a.verdicts = s.Verdicts[s.seen:]
	s.seen = len(s.Verdicts)
	for _, v := range a.verdicts {
		if w, ok := v.(*abi.Write); ok {
			for p := range w.Pieces.All() {
				switch p.Kind {
				case abi.PieceLiteral:
					a.out = append(a.out, p.Bytes...)
				case abi.PieceHeader:
					if string(p.Bytes) != "live\x00mmst" {
						s.t.Errorf("the header of %q is sent", p.Bytes)
					}
					a.out = append(a.out, headerMark...)
				}
			}
		}
	}
	return a
}

// find gives the first verdict of a kind.
func find[R abi.Record](a answer) (r R) {
	for _, v := range a.verdicts {
		if v, ok := v.(R); ok {
			return v
		}
	}
	return r
}

// told are messages to a player, by their kind and their fields.
type told struct {
	kind   kind
	fields []byte
}

func (m told) u32(at int) uint32 { return le.Uint32(m.fields[at-fieldsAt:]) }

// messages reads what was written: envelopes whose lengths agree.
func (s *stand) messages(a answer) (list []told) {
	s.t.Helper()
	for b := a.out; len(b) > 0; {
		if rest, ok := bytes.CutPrefix(b, []byte(headerMark)); ok {
			b = rest
			continue
		}
		if len(b) < fieldsAt || string(b[:8]) != signature || string(b[sealAt:chunksAt]) != seal || le.Uint16(b[kindAt+2:]) != toPlayer {
			s.t.Fatalf("%x is no message", b)
		}
		size := int(le.Uint32(b[lengthAt:])) + uncounted
		if size%chunk != 0 || size > len(b) || int(le.Uint32(b[chunksAt:]))*chunk != size || int(le.Uint32(b[messageAt:]))*chunk+messageAt != size {
			s.t.Fatalf("lengths of %x", b[:min(len(b), fieldsAt)])
		}
		list = append(list, told{kind(le.Uint16(b[kindAt:])), b[fieldsAt:size]})
		b = b[size:]
	}
	return list
}

// says sends messages and gives the answers to them.
func (s *stand) says(messages ...[]byte) (answer, []told) {
	s.t.Helper()
	s.Data(bytes.Join(messages, nil), 0)
	return s.heard()
}

func (s *stand) heard() (answer, []told) {
	s.t.Helper()
	if s.Failed != 0 {
		s.t.Fatalf("FAIL %v: %s", s.Failed, s.Text)
	}
	a := s.take()
	return a, s.messages(a)
}

// only asserts that one message came, of a kind and with a result.
func (s *stand) only(list []told, k kind, result uint32) told {
	s.t.Helper()
	if len(list) != 1 || list[0].kind != k || list[0].u32(40) != result {
		s.t.Fatalf("%x came; message %#x with result %#x was expected", list, k, result)
	}
	return list[0]
}

// tells lets an event happen that is not input, and then delivers what is left of it.
func (s *stand) tells(e abi.Record) (answer, []told) {
	s.t.Helper()
	s.Send(e)
	s.Data(nil, 0)
	return s.heard()
}

// summary describes point "live" with a header.
func summary(state abi.PointState, header []byte) *abi.Point {
	e := &abi.Point{Summary: abi.PointSummary{Name: []byte("live"), State: state, HasSource: 1}}
	e.Summary.Renditions.Add(abi.Rendition{Name: []byte(source), Generation: 1})
	if header != nil {
		head := append(make([]byte, dataHead), header...)
		e.Summary.Renditions.Add(abi.Rendition{Name: []byte(rendition), Generation: 1, HeaderSize: uint32(len(head)), Header: head})
	}
	return e
}

// opens brings a player to the point where it may start.
func (s *stand) opens() {
	s.t.Helper()
	s.Send(&abi.ConnOpen{Head: s.Head()})
	s.says(sayConnect(), sayFunnel(`\\192.168.0.1\TCP\1242`), sayOpen("live"))
	s.tells(summary(abi.PointLive, header(s.t)))
	s.says(sayRead(), saySwitch())
}

// plays brings it further.
func (s *stand) plays() {
	s.t.Helper()
	s.opens()
	s.says(sayStart(4))
}

func (s *stand) detached(reason string) *abi.Detached {
	return &abi.Detached{Head: s.Head(), Reason: []byte(reason)}
}

// phase reads the held state.
func (s *stand) phase() phase {
	s.t.Helper()
	var at session
	if len(s.State) > 0 {
		if err := at.ReadState(s.State); err != nil {
			s.t.Fatal(err)
		}
	}
	return at.phase
}
