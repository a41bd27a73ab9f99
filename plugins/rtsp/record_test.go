package main

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

func TestRecord(t *testing.T) {
	r := newEncoder(t)
	r.begin(sdpPicture, sdpSound)
	if i := slices.IndexFunc(r.Verdicts, func(v abi.Record) bool { return v.Op() == abi.OpPublish }); i < 0 {
		t.Error("nothing is published")
	} else if p := r.Verdicts[i].(*abi.Publish); string(p.Point) != "live" || string(p.Format) != "bytes:mpegts" {
		t.Errorf("%+v", p)
	}
	r.frame(0, recPicture(1, 1000, 0x65))
	r.frame(2, recSound(1, 500, 100))
	r.frame(0, recPicture(2, 1000+9000, 0x61))
	r.frame(2, recSound(2, 500+4410, 100))
	r.frame(2, recPacket(98, 3, 500, 1, 2, 3)) // of another type
	r.frame(9, recSound(3, 500, 100))          // of no channel
	got := recTimes(t, r.Fed)
	if want := [2][]int64{{2000, 2100}, {2000, 2100}}; !reflect.DeepEqual(got, want) {
		t.Errorf("pictures and sound at %v ms, want %v", got, want)
	}
	answer := r.ask("TEARDOWN", recordURL, "", "")
	r.must(answer, "200")
	if c, ok := r.Verdicts[len(r.Verdicts)-1].(*abi.Close); !ok || c.Conn != 0 || c.Mode != abi.CloseFlush {
		t.Errorf("%v", r.Verdicts)
	}
}

// TestSynchronised: sender reports say what belongs together, whether they come before the
// media or behind. Sound that is moved back does not go back: what comes too late is left out.
func TestSynchronised(t *testing.T) {
	// Sound begins 250 ms before the picture.
	before, behind := newEncoder(t), newEncoder(t)
	for _, r := range []*encoder{before, behind} {
		r.begin(sdpPicture, sdpSound)
	}
	before.frame(1, recReport(90_000, 5000))
	before.frame(3, recReport(44_100, 5000))
	for i := range 5 {
		at := uint32(i)
		for _, r := range []*encoder{before, behind} {
			r.frame(0, recPicture(uint16(i), 90_000+at*9000, 0x65))
			r.frame(2, recSound(uint16(i), 44_100-11_025+at*4410, 50))
		}
		if i == 1 {
			behind.frame(1, recReport(90_000+9000, 5100))
			behind.frame(3, recReport(44_100, 5000))
		}
	}
	if got, want := recTimes(t, before.Fed), ([2][]int64{{2000, 2100, 2200, 2300, 2400}, {1750, 1850, 1950, 2050, 2150}}); !reflect.DeepEqual(got, want) {
		t.Errorf("reports first: %v, want %v", got, want)
	}
	if got, want := recTimes(t, behind.Fed), ([2][]int64{{2000, 2100, 2200, 2300, 2400}, {2000, 2100, 2150}}); !reflect.DeepEqual(got, want) {
		t.Errorf("reports behind: %v, want %v", got, want)
	}
}

// TestTimestampsBeginAnew: the timeline goes on.
func TestTimestampsBeginAnew(t *testing.T) {
	r := newEncoder(t)
	r.begin(sdpPicture)
	for i, at := range []uint32{0xFFFFFF00, 9000 - 0x100, 77_000_000, 77_009_000} { // over the end of 32 bits
		r.frame(0, recPicture(uint16(i), at, 0x65))
	}
	if got, want := recTimes(t, r.Fed)[0], ([]int64{2000, 2100, 2140, 2240}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestSilentEncoder ends.
func TestSilentEncoder(t *testing.T) {
	r := newEncoder(t)
	r.begin(sdpPicture)
	r.Verdicts = nil
	h := r.Head()
	h.MonoNano = quiet
	r.Send(&abi.Timer{Head: h, ID: reportTimer})
	if c, ok := r.Verdicts[0].(*abi.Close); !ok || !strings.Contains(string(c.Reason), "nothing") {
		t.Errorf("%v", r.Verdicts)
	}
}

// byFlows begins a session whose one track comes by UDP.
func (r *encoder) byFlows(t testing.TB) {
	t.Helper()
	r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+sdpPicture), "200")
	if a := r.ask("SETUP", recordURL+"/streamid=0", "Transport: RTP/AVP/UDP;unicast;client_port=5000-5001;mode=record\r\n", ""); a != "" {
		t.Fatalf("answered %q before the flows are there", a)
	}
	dials := 0
	for _, v := range r.Verdicts {
		if d, ok := v.(*abi.Dial); ok {
			dials++
			if want := []string{"", "", "udp://peer:5000", "udp://peer:5001?odd"}[d.Conn]; string(d.URL) != want {
				t.Errorf("dials %q, want %q", d.URL, want)
			}
		}
	}
	for conn, local := range map[uint32]string{2: "192.0.2.1:6000", 3: "192.0.2.1:6001"} {
		h := r.Head()
		h.Conn = conn
		r.Send(&abi.Dialed{Head: h, Local: []byte(local)})
	}
	if a := r.written(); dials != 2 || !strings.Contains(a, "server_port=6000-6001") {
		t.Fatalf("%d dials, answered %q", dials, a)
	}
	r.must(r.ask("RECORD", recordURL, "", ""), "200")
}

func (r *encoder) datagrams(conn uint32, list ...[]byte) {
	r.t.Helper()
	e := &abi.Datagrams{Head: r.Head(), Bytes: bytes.Join(list, nil)}
	e.Conn = conn
	for _, b := range list {
		e.Datagrams.Add(abi.DatagramNote{Size: uint32(len(b))})
	}
	r.Send(e)
}

// TestDatagramsInOrder: what comes out of order is put in order, over events.
func TestDatagramsInOrder(t *testing.T) {
	var list [][]byte
	for i := range 12 {
		list = append(list, recPicture(uint16(i), uint32(i)*9000, 0x65))
	}
	straight, crooked := newEncoder(t), newEncoder(t)
	straight.byFlows(t)
	crooked.byFlows(t)
	straight.datagrams(2, list...)
	for _, event := range [][]int{{0, 2}, {3, 1}, {5}, {4, 4}, {7, 8, 6, 11}, {10}, {9}} {
		var some [][]byte
		for _, i := range event {
			some = append(some, list[i])
		}
		crooked.datagrams(2, some...)
	}
	if len(straight.Fed) == 0 || !bytes.Equal(straight.Fed, crooked.Fed) {
		t.Errorf("in order %d bytes, out of order %d", len(straight.Fed), len(crooked.Fed))
	}
	straight.Verdicts = nil
	straight.Send(&abi.Timer{Head: straight.Head(), ID: reportTimer})
	sent := false
	for _, v := range straight.Verdicts {
		if s, ok := v.(*abi.Send); ok && s.Conn == 3 {
			sent = true
		}
	}
	if !sent {
		t.Errorf("no receiver report: %v", straight.Verdicts)
	}
}

// TestTransportStreamPasses: what is one already is fed as it is.
func TestTransportStreamPasses(t *testing.T) {
	ts := bytes.Repeat(append([]byte{'G', 0x1F, 0xFF, 0x10}, make([]byte, 184)...), 7)
	r := newEncoder(t)
	r.must(r.ask("ANNOUNCE", recordURL, "", sdpHead+"m=video 0 RTP/AVP 33\r\n"), "200")
	r.must(r.ask("SETUP", recordURL, "Transport: RTP/AVP/TCP;unicast;interleaved=4-5;mode=record\r\n", ""), "200")
	r.must(r.ask("RECORD", recordURL, "", ""), "200")
	r.frame(4, recPacket(33, 1, 0, ts...))
	r.frame(4, recPacket(33, 2, 0))
	r.frame(4, recPacket(33, 3, 0, ts[:376]...))
	if want := append(bytes.Clone(ts), ts[:376]...); !bytes.Equal(r.Fed, want) {
		t.Errorf("fed %d bytes, want %d", len(r.Fed), len(want))
	}
}

// FuzzRecord: whatever comes in frames, what is fed are whole packets of a transport stream.
func FuzzRecord(f *testing.F) {
	var some []byte
	for i, b := range [][]byte{recPicture(1, 9, 0x65), recReport(9, 1), recSound(1, 9, 30), recPacket(96, 2, 900, 0x7C, 0x81, 9, 9), recPacket(96, 3, 900, 0x7C, 0x41, 9)} {
		some = append(append(some, '$', byte(i&3), byte(len(b)>>8), byte(len(b))), b...)
	}
	f.Add(some)
	f.Add([]byte("$\x00\x00\x0dTEARDOWN"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newEncoder(t)
		r.Renew = false
		r.begin(sdpPicture, sdpSound)
		r.Data(b, 0)
		if len(r.Fed) > 0 {
			recTimes(t, r.Fed)
		}
	})
}
