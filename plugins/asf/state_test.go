package main

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strconv"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/sdktest"
)

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := state{
		phase: atTail, known: true, mark: true, header: []byte("header"), packetSize: 1, video: asf.StreamSet{2, 3}, left: 4,
		clock: clock{next: 5, shift: 6, at: 7, last: 8, gap: 9, head: 10, send: 11, started: true, pending: true, again: true},
	}
	for i := range s.clock.tracks {
		n := int64(100 * (i + 1))
		s.clock.tracks[i] = track{stream: uint8(i + 1), lead: n, end: n + 1, step: n + 2}
	}
	checkState(t, s)
	for _, one := range []state{{known: true}, {known: true, mark: true}, {clock: clock{started: true}}, {clock: clock{pending: true}}, {clock: clock{again: true}}} {
		var got state
		if err := got.ReadState(one.AppendState(nil)); err != nil || got.known != one.known || got.mark != one.mark || got.clock != one.clock {
			t.Errorf("came back as %+v (%v), was %+v", got, err, one)
		}
	}
}

// zeroField names a field that is zero, at any depth.
func zeroField(v reflect.Value, name string) string {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if z := zeroField(v.Field(i), name+"."+v.Type().Field(i).Name); z != "" {
				return z
			}
		}
		return ""
	case reflect.Array:
		for i := range v.Len() {
			if z := zeroField(v.Index(i), name+"["+strconv.Itoa(i)+"]"); z != "" {
				return z
			}
		}
		return ""
	}
	if v.IsZero() {
		return name
	}
	return ""
}

// checkState demands that each field of a state that has all of them set comes back
// from its blob.
func checkState(t *testing.T, s state) {
	t.Helper()
	if z := zeroField(reflect.ValueOf(s), "state"); z != "" {
		t.Fatalf("%s is not set here", z)
	}
	var got state
	if err := got.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
}

func TestLongestHeaderFitsTheState(t *testing.T) {
	s := state{known: true}
	s.keep(make([]byte, maxKept))
	if n := len(s.AppendState(nil)); n > abi.MaxState || len(s.header) != maxKept {
		t.Errorf("a state of %d bytes, of which %d are the header", n, len(s.header))
	}
	if s.keep(make([]byte, maxKept+1)); len(s.header) != 0 {
		t.Errorf("a header of %d bytes is kept", len(s.header))
	}
}

// TestLoopNeedsNoMemory: a film whose first packet holds one of its two streams, and
// whose other one runs longer, goes on in the same place on a fresh instance.
func TestLoopNeedsNoMemory(t *testing.T) {
	_, header, _ := cut(t, sdktest.Read(t, pipe))
	const size, count = 64, 20
	film := smallHeader(header, size)
	for i := range uint32(count) {
		stream, time := byte(1), 40*i
		if i%2 == 1 {
			stream, time = 2, 60*i
		}
		film = append(film, smallPacket(size, stream, 40*i, 3100+time)...)
	}
	aged, fresh := start(t), start(t)
	fresh.Renew = true
	for round := range 3 {
		for _, r := range []*rig{aged, fresh} {
			r.Stream(film, size)
			r.End(abi.EndLoop)
			if r.Failed != 0 || len(r.Packets) != (round+1)*count {
				t.Fatalf("%d packets; %s", len(r.Packets), r.Text)
			}
		}
		if !bytes.Equal(aged.State, fresh.State) {
			t.Fatalf("round %d: the states differ", round)
		}
	}
	for i, p := range fresh.Packets {
		q := aged.Packets[i]
		if p.DTS != q.DTS || p.PTS != q.PTS || p.Flags != q.Flags || !bytes.Equal(p.Payload, q.Payload) {
			t.Fatalf("packet %d stands at %d, on an aged instance at %d", i, p.DTS, q.DTS)
		}
	}
	// Stream 2 shows its last picture at 3100+60*19 and one each 120 ms: the film's first
	// one, 3160 ms behind its beginning, belongs at 4360.
	if got := fresh.Packets[count].DTS; got != 1200*nsPerMs {
		t.Errorf("the second round begins at %d", got)
	}
}

// smallHeader gives a header with another packet size.
func smallHeader(header []byte, size uint32) []byte {
	header = bytes.Clone(header)
	props := header[bytes.Index(header, []byte{0xA1, 0xDC, 0xAB, 0x8C}):] // ASF 10.2, File Properties
	binary.LittleEndian.PutUint32(props[92:], size)
	binary.LittleEndian.PutUint32(props[96:], size)
	return header
}

// smallPacket makes a packet with one payload of one byte (ASF 5.2); times are in ms.
func smallPacket(size int, stream byte, send, presented uint32) []byte {
	p := make([]byte, size)
	copy(p, []byte{0x82, 0, 0, 0x08, 0x5D, byte(size - 28)})
	binary.LittleEndian.PutUint32(p[6:], send)
	p[12], p[18] = 0x80|stream, 8
	binary.LittleEndian.PutUint32(p[19:], 1)
	binary.LittleEndian.PutUint32(p[23:], presented)
	return p
}
