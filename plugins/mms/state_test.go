package main

import (
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

// TestQuiet: who says nothing is closed; who plays is pinged, and so is who is paused, who
// is closed when it does not answer.
func TestQuiet(t *testing.T) {
	ticks := func(s *stand, each func()) (n int, pings int) {
		for n = range 20 {
			a, list := s.tells(&abi.Timer{Head: abi.Head{}, ID: clock})
			if find[*abi.Close](a) != nil {
				return n, pings
			}
			for range list {
				s.only(list, serverPing, succeeded)
				pings++
			}
			if find[*abi.SetTimer](a) == nil {
				t.Fatal("no timer is set again")
			}
			each()
		}
		return n + 1, pings
	}
	silent := func() {}
	for name, c := range map[string]struct {
		how         func(*stand)
		each        func(*stand)
		want, pings int
	}{
		"stranger":         {func(s *stand) { s.Send(&abi.ConnOpen{Head: s.Head()}) }, nil, 1, 0},
		"only connects":    {func(s *stand) { s.says(sayConnect()) }, nil, 1, 0},
		"paused":           {(*stand).opens, nil, 4, 4},
		"paused, answers":  {(*stand).opens, func(s *stand) { s.says(sayPong()) }, 20, 20},
		"ended, answers":   {func(s *stand) { s.plays(); s.tells(s.detached("source_end")) }, func(s *stand) { s.says(sayPong()) }, 4, 4},
		"plays":            {(*stand).plays, nil, 20, 20},
		"waits for a stop": {func(s *stand) { s.plays(); s.says(sayStop()) }, nil, 1, 0},
	} {
		s := newStand(t)
		s.Renew = true
		c.how(s)
		each := silent
		if c.each != nil {
			each = func() { c.each(s) }
		}
		if n, pings := ticks(s, each); n != c.want || pings != c.pings {
			t.Errorf("%s: closed after %d ticks and %d pings, %d and %d expected", name, n, pings, c.want, c.pings)
		}
	}
}

// TestStop: the end of a point or of the plugin is told in the answer that a player waits
// for.
func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		how    func(*stand)
		kind   kind
		result uint32
	}{
		"plays":    {(*stand).plays, reportEnd, succeeded},
		"stopping": {func(s *stand) { s.plays(); s.says(sayStop()) }, reportEnd, succeeded},
		"opening":  {func(s *stand) { s.says(sayConnect(), sayOpen("live")) }, reportOpenFile, errStopped},
		"opened":   {(*stand).opens, 0, 0},
	} {
		s := newStand(t)
		c.how(s)
		a, list := s.tells(&abi.Stop{Head: abi.Head{}})
		if c.kind != 0 {
			s.only(list, c.kind, c.result)
		}
		if find[*abi.Close](a) == nil {
			t.Errorf("%s: %v", name, a.verdicts)
		}
	}
}

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := session{phase: closed, quiet: 1, turning: true, over: true, isDeaf: true, packetSize: 7, sequence: 2, incarnation: 3, hold: 4, sent: 5, current: 6, point: []byte("live")}
	for v, i := reflect.ValueOf(s), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	var got session
	if err := got.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
	if (&session{}).AppendState(nil) != nil {
		t.Error("the zero state is stored")
	}
}

// TestReadsStateBefore: a session of schema mms/1, as the last build of that has written it
// while its player played, goes on. Its player is not known by its GUID, nor its packets' size.
func TestReadsStateBefore(t *testing.T) {
	blob, err := hex.DecodeString("060103000200040003000000000000000400000000000000050000000000000006000000000000006c697665")
	if err != nil {
		t.Fatal(err)
	}
	want := session{phase: playing, quiet: 1, turning: true, over: true, sequence: 2, incarnation: 3, hold: 4, sent: 5, current: 6, point: []byte("live")}
	var got session
	if err := got.ReadState(blob); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, want)
	}
}

// A packet of a live stream must cost the instance no memory, nor must a message that
// asks for nothing.
func TestAllocatesNothing(t *testing.T) {
	e := &abi.Packets{}
	for seq := range uint64(32) {
		e.Packets.Add(abi.PacketNote{Sequence: seq, Size: 3200})
	}
	was := session{phase: playing, point: []byte("live")}
	for name, event := range map[string]abi.Record{"32 packets": e, "a pong": &abi.Data{Head: abi.Head{Conn: player}, Bytes: sayPong()}} {
		frame, out := make([]byte, abi.UsualBox), make([]byte, abi.UsualBox)
		var w abi.Writer
		w.Reset(frame)
		if event != e {
			if err := w.Put(1, 0, &abi.State{Blob: was.AppendState(nil)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Put(1, 0, event); err != nil {
			t.Fatal(err)
		}
		p := newPlugin()
		if n := p.Call(w.Bytes(), out); n < 0 {
			t.Fatalf("call: %v", abi.Code(n))
		}
		if n := testing.AllocsPerRun(100, func() { p.Call(w.Bytes(), out) }); n != 0 {
			t.Errorf("%v allocations for %s", n, name)
		}
	}
}

func TestPointOf(t *testing.T) {
	for path, want := range map[string]string{
		"live": "live", "/live": "live", "studio/1.asf": "studio/1.asf", "live?x=/y": "live", "a%20b": "a b", "a%2fb": "a/b",
		"100%": "100%", "%zz%4": "%zz%4", "": "", "//": "", "ü": "ü",
	} {
		if got := string(pointOf([]byte(path))); got != want {
			t.Errorf("%q is point %q, %q expected", path, got, want)
		}
	}
}
