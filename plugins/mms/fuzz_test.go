package main

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/weir-media/weir/abi/v1"
)

func FuzzParse(f *testing.F) {
	for _, b := range [][]byte{sayConnect(), sayFunnel(`\\h\UDP\1`), sayOpen("live"), sayStart(4), sayRead(), saySwitch(), []byte(signature)} {
		f.Add(b)
	}
	f.Add(append(sayOpen("x"), 0x3D, 0xD8, 0x00, 0xDE))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, need, err := parse(b)
		switch {
		case err != nil:
			if need != 0 || m.b != nil {
				t.Fatal(m, need, err)
			}
			return
		case need != 0:
			if need <= len(b) || need > maxMessage {
				t.Fatalf("wants %d bytes, has %d", need, len(b))
			}
			return
		}
		if len(m.b) < fieldsAt || len(m.b) > min(len(b), maxMessage) {
			t.Fatalf("%d bytes of %d", len(m.b), len(b))
		}
		for n := range m.b { // however it is cut
			if _, need, err := parse(b[:n]); err != nil || need <= n {
				t.Fatalf("at %d bytes: wants %d (%v)", n, need, err)
			}
		}
		for at := fieldsAt; at < len(m.b)+4; at++ {
			_ = m.u32(at)
			if text := m.appendText(nil, at); !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 || len(text) > 2*len(m.b) {
				t.Fatalf("text %q", text)
			}
		}
	})
}

// FuzzSession: whatever a player sends, in whatever pieces, is answered by messages that
// are whole, blames nobody but the player, and costs no state beyond its bound.
func FuzzSession(f *testing.F) {
	talk := bytes.Join([][]byte{sayConnect(), sayFunnel(`\\h\TCP\1`), sayOpen("live"), sayRead(), saySwitch(), sayStart(4), sayStop(), sayClose()}, nil)
	f.Add(talk, uint16(48), uint16(0))
	f.Add(talk, uint16(1), uint16(0xFFFF))
	f.Add(talk[:400], uint16(9), uint16(0x5555))
	h := header(f)
	f.Fuzz(func(t *testing.T, b []byte, pieces, events uint16) {
		s := newStand(t)
		s.Renew = pieces%2 == 0
		s.Send(&abi.ConnOpen{Head: s.Head()})
		for n := int(pieces) + 1; len(b) > 0 && s.Failed == 0; {
			k := min(n, len(b))
			s.Data(b[:k], 0)
			b = b[k:]
			a := s.take()
			s.messages(a)
			if find[*abi.Close](a) != nil {
				return
			}
			var e abi.Record
			switch events & 3 {
			case 1:
				e = summary(abi.PointLive, h)
			case 2:
				e = s.detached("detached")
			case 3:
				e = &abi.Timer{ID: clock}
			}
			events = events>>2 | events<<14
			if e != nil && s.Failed == 0 {
				s.Send(e)
				a := s.take()
				s.messages(a)
				if find[*abi.Close](a) != nil {
					return
				}
			}
		}
		if s.Failed != 0 && s.Failed != abi.EPROTO || len(s.State) > fixedSize+maxName {
			t.Fatalf("%v %q, %d bytes of state", s.Failed, s.Text, len(s.State))
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add((&session{phase: playing, turning: true, sequence: 7, point: []byte("live")}).AppendState(nil))
	f.Add([]byte{1, 0, 255, 255})
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s, again session
		if s.ReadState(blob) != nil {
			return
		}
		if b := s.AppendState(nil); len(b) > 0 && (again.ReadState(b) != nil || !bytes.Equal(again.AppendState(nil), b)) {
			t.Fatalf("%x does not come back", blob)
		}
	})
}

func FuzzPoint(f *testing.F) {
	f.Add([]byte("/a%20b?x"))
	f.Fuzz(func(t *testing.T, path []byte) {
		was := len(path)
		if got := pointOf(path); len(got) > was {
			t.Fatalf("%q of %d bytes", got, was)
		}
	})
}
