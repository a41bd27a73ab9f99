package main

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/sdktest"
)

const scripts = "testdata/*.script"

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), scripts) }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, scripts) }

// header is that of an encoder, as ffmpeg writes it; the file has it as the rendition does.
func header(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/rendition.bin")
	if err != nil {
		t.Fatal(err)
	}
	return b[dataHead:]
}

// TestOpening: each answer has what players look for, and the file's facts are the
// header's.
func TestOpening(t *testing.T) {
	s := newStand(t)
	s.Renew = true
	s.Send(&abi.ConnOpen{Head: s.Head()})
	_, list := s.says(sayConnect())
	if m := s.only(list, reportConnected, succeeded); m.u32(48) != serverRevision || m.u32(80) != 15 || string(m.fields[96-fieldsAt:100-fieldsAt]) != "9\x00.\x00" {
		t.Errorf("ConnectedEX %x", m.fields)
	}
	_, list = s.says(say(funnelInfo, "", 0x00F0F0F0, 0x0004000B))
	s.only(list, reportFunnelInfo, succeeded)
	_, list = s.says(sayFunnel(`\\192.168.0.129\udp\1037`))
	s.only(list, reportNoFunnel, errNotSupported)
	_, list = s.says(sayFunnel(`\\192.168.0.1\TCP\1242`))
	s.only(list, reportFunnel, succeeded)
	a, list := s.says(sayOpen("live"))
	if w := find[*abi.Watch](a); len(list) != 0 || w == nil || string(w.Point) != "live" {
		t.Fatalf("%v, %x", a.verdicts, list)
	}
	h := header(t)
	_, list = s.tells(summary(abi.PointLive, h))
	facts, err := asf.ParseHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	m := s.only(list, reportOpenFile, succeeded)
	for at, want := range map[int]int{48: fileID, 60: broadcast, 92: facts.PacketSize, 104: int(facts.MaxBitrate), 108: len(h)} {
		if m.u32(at) != uint32(want) {
			t.Errorf("ReportOpenFile has %d at %d, %d expected", m.u32(at), at, want)
		}
	}
	a, list = s.says(sayRead())
	if m := s.only(list, reportReadBlock, succeeded); m.u32(44) != headerIncarnation || !bytes.HasSuffix(a.out, []byte(headerMark)) {
		t.Errorf("ReportReadBlock %x", a.out)
	}
	_, list = s.says(saySwitch())
	s.only(list, reportStreamSwitch, succeeded)
	a, list = s.says(sayStart(4))
	if m := s.only(list, reportStarted, succeeded); m.u32(44) != 4 {
		t.Errorf("StartedPlaying %x", m.fields)
	}
	at := find[*abi.Attach](a)
	if at == nil || string(at.Point) != "live" || string(at.Rendition) != rendition || at.WithHeader != 0 || at.OnEnd != abi.AfterEvent || at.OnChange != abi.AfterEvent {
		t.Fatalf("ATTACH %+v", at)
	}
	s.only(s.messages(answer{out: at.EndBytes}), reportEnd, succeeded)
	s.only(s.messages(answer{out: at.ChangeBytes}), reportEnd, another)
	if s.Taken != uint64(len(s.Input)) {
		t.Errorf("%d of %d bytes are consumed", s.Taken, len(s.Input))
	}
}

// TestPieces: the same conversation, however its bytes are cut, and all at once, has the
// same answers.
func TestPieces(t *testing.T) {
	talk := bytes.Join([][]byte{sayConnect(), sayFunnel(`\\h\TCP\1`), sayOpen("/live?x=1"), sayRead(), saySwitch(), sayStart(4), sayStop(), sayStart(4), sayPong(), sayClose()}, nil)
	var want []kind
	for _, n := range []int{len(talk), 1, 7, 48, 100} {
		s := newStand(t)
		s.Renew = n > 1
		s.Send(&abi.ConnOpen{Head: s.Head()})
		var kinds []kind
		for b := talk; len(b) > 0 || s.phase() != closed; {
			k := min(n, len(b))
			s.Data(b[:k], 0)
			b = b[k:]
			_, list := s.heard()
			switch s.phase() {
			case opening:
				_, more := s.tells(summary(abi.PointLive, header(t)))
				list = append(list, more...)
			case stopping:
				_, more := s.tells(s.detached("detached"))
				list = append(list, more...)
			}
			for _, m := range list {
				kinds = append(kinds, m.kind)
			}
			if k == 0 && len(list) == 0 {
				break
			}
		}
		if want == nil {
			want = kinds
		}
		if !slices.Equal(kinds, want) || len(kinds) != 8 {
			t.Errorf("in pieces of %d bytes: answers %x; at once: %x", n, kinds, want)
		}
	}
}

// TestRefused: what the host refuses, players hear in the answer to what they asked for.
func TestRefused(t *testing.T) {
	for code, want := range map[abi.Code]uint32{abi.ENOENT: errNotFound, abi.EPERM: errDenied, abi.ELIMIT: errFull, abi.EAGAIN: errStopped, abi.ESTATE: errStopped} {
		s := newStand(t)
		s.says(sayConnect())
		s.Data(sayOpen("nothing")[:47], 0)
		before := s.undo(sayOpen("nothing")[47:])
		_, list := s.tells(before.refused(s, code))
		s.only(list, reportOpenFile, want)
		if s.phase() != connected || s.Taken != uint64(len(s.Input)) {
			t.Errorf("%v: in phase %d, %d bytes left", code, s.phase(), uint64(len(s.Input))-s.Taken)
		}

		s = newStand(t)
		s.opens()
		before = s.undo(sayStart(4))
		a, list := s.tells(before.refused(s, code))
		s.only(list, reportStarted, want)
		if c := find[*abi.Close](a); c == nil || c.Mode != abi.CloseFlush {
			t.Errorf("%v: %v", code, a.verdicts)
		}
	}
	for limit, want := range limits {
		s := newStand(t)
		s.opens()
		no := s.undo(sayStart(4)).refused(s, abi.ELIMIT)
		no.Limit = limit
		_, list := s.tells(no)
		s.only(list, reportStarted, want)
	}
	s := newStand(t)
	s.opens()
	a, _ := s.tells(&abi.Refused{Head: s.Head(), Code: abi.ENOENT, During: abi.OpPoint})
	if find[*abi.Close](a) == nil {
		t.Errorf("a refusal of what nobody asked for: %v", a.verdicts)
	}
}

// limits are the answers to the host's limits.
var limits = map[abi.Limit]uint32{
	abi.LimitViewers:                       0xC00D0049,
	abi.LimitBandwidth:                     0xC00D002C,
	abi.LimitBandwidth | abi.LimitOfServer: 0xC00D002C,
	abi.LimitPerViewer | abi.LimitOfServer: 0xC00D0047,
	abi.LimitJoins:                         0xC00D000E,
	abi.LimitViewers | abi.LimitOfServer:   0xC00D0049,
}

// TestLimited: a limit that keeps viewers out is told when the file is opened.
func TestLimited(t *testing.T) {
	h := header(t)
	for limit, want := range limits {
		point := &abi.Point{Summary: abi.PointSummary{Name: []byte("live"), State: abi.PointLive}}
		head := append(make([]byte, dataHead), h...)
		point.Summary.Renditions.Add(abi.Rendition{Name: []byte(rendition), Generation: 1, Header: head, HeaderSize: uint32(len(head)), Limit: limit})
		s := newStand(t)
		s.says(sayConnect(), sayOpen("live"))
		_, list := s.tells(point)
		s.only(list, reportOpenFile, want)
	}
}

// before is what the host holds while a batch is judged.
type before struct {
	state []byte
	taken uint64
}

// undo sends input in two steps and keeps what is held between them: the last batch is not
// applied.
func (s *stand) undo(b []byte) (was before) {
	s.t.Helper()
	s.Input = append(s.Input, b...)
	s.Send(&abi.Data{Head: s.Head(), Offset: s.Taken, Bytes: s.Input[s.Taken:]})
	was = before{bytes.Clone(s.State), s.Taken}
	s.Send(&abi.Data{Head: s.Head(), Offset: s.Taken, Bytes: s.Input[s.Taken:]})
	s.take()
	return was
}

func (b before) refused(s *stand, code abi.Code) *abi.Refused {
	s.State, s.Taken = b.state, b.taken
	return &abi.Refused{Head: s.Head(), Code: code, Text: []byte("no"), During: abi.OpData}
}

// TestJudged: a point that cannot be had is refused with the reason's number, and the
// player may ask for another.
func TestJudged(t *testing.T) {
	h := header(t)
	full := summary(abi.PointLive, h)
	full.Summary.Viewers, full.Summary.MaxViewers = 7, 7
	other := &abi.Point{Summary: abi.PointSummary{Name: []byte("live"), State: abi.PointLive}}
	other.Summary.Renditions.Add(abi.Rendition{Name: []byte("mpegts"), Generation: 1})
	large := summary(abi.PointLive, h)
	large.Summary.Renditions.Reset()
	large.Summary.Renditions.Add(abi.Rendition{Name: []byte(rendition), Generation: 1, HeaderSize: 20000})
	for name, c := range map[string]struct {
		point *abi.Point
		want  uint32
	}{
		"waiting":      {summary(abi.PointWaiting, nil), errStopped},
		"grace":        {summary(abi.PointWaiting, h), errStopped},
		"idle":         {summary(abi.PointIdle, nil), errStopped},
		"gone":         {summary(abi.PointUnknown, nil), errNotFound},
		"no header":    {summary(abi.PointLive, nil), errStopped},
		"full":         {full, errFull},
		"other":        {other, errWrongType},
		"large header": {large, errNotSupported},
		"no ASF":       {summary(abi.PointLive, []byte("no header of ASF")), errNotSupported},
	} {
		s := newStand(t)
		s.says(sayConnect(), sayOpen("live"))
		_, list := s.tells(c.point)
		if m := s.only(list, reportOpenFile, c.want); m.u32(48) == fileID {
			t.Errorf("%s: VLC takes it for an open file", name)
		}
		s.says(sayOpen("live"))
		_, list = s.tells(summary(abi.PointLive, h))
		s.only(list, reportOpenFile, succeeded)
	}
}

// TestOutOfTurn: what makes no sense now is answered, and ends where the player would wait
// for ever.
func TestOutOfTurn(t *testing.T) {
	for name, c := range map[string]struct {
		how    func(*stand)
		say    []byte
		kind   kind
		result uint32
		ends   bool
	}{
		"read before open":   {func(s *stand) { s.says(sayConnect()) }, sayRead(), reportReadBlock, errState, true},
		"start before open":  {func(s *stand) { s.says(sayConnect()) }, sayStart(4), reportStarted, errState, true},
		"start twice":        {(*stand).plays, sayStart(5), reportStarted, errState, true},
		"open while playing": {(*stand).plays, sayOpen("other"), reportOpenFile, errState, false},
		"stop before start":  {(*stand).opens, sayStop(), reportEnd, succeeded, false},
		"no name":            {func(s *stand) { s.says(sayConnect()) }, sayOpen("/?x"), reportOpenFile, errNotFound, false},
		"long name":          {func(s *stand) { s.says(sayConnect()) }, sayOpen(string(bytes.Repeat([]byte("x"), maxName+1))), reportOpenFile, errNotFound, false},
		"connect again":      {(*stand).opens, sayConnect(), reportConnected, succeeded, false},
	} {
		s := newStand(t)
		c.how(s)
		a, list := s.says(c.say)
		if s.only(list, c.kind, c.result); (find[*abi.Close](a) != nil) != c.ends {
			t.Errorf("%s: %v", name, a.verdicts)
		}
	}
	s := newStand(t)
	s.plays()
	a, list := s.says(say(0x2F, "", 0), sayPong())
	if m := find[*abi.Metric](a); len(list) != 0 || m == nil || m.Delta != 1 {
		t.Errorf("an unknown message: %v", a.verdicts)
	}
	s.Data(sayClose(), 0)
	if c := find[*abi.Close](s.take()); c == nil || c.Mode != abi.CloseFlush {
		t.Errorf("CloseFile: %v", c)
	}
	for name, b := range map[string][]byte{
		"no Connect": sayOpen("live"), "garbage": []byte("GET / HTTP/1.0\r\n\r\n"), "long": le.AppendUint32([]byte(signature), maxMessage),
		"short": le.AppendUint32([]byte(signature), 23), "no seal": bytes.Replace(sayConnect(), []byte(seal), []byte("SMM "), 1),
		"a server": append(slices.Clone(sayConnect()[:38]), append([]byte{4}, sayConnect()[39:]...)...),
	} {
		s := newStand(t)
		s.Data(b, 0)
		if s.Failed != abi.EPROTO {
			t.Errorf("%s: %v %q", name, s.Failed, s.Text)
		}
	}
}

// TestStopAndStart: a player may stop and start as VLC does when it is paused, and what it
// says meanwhile waits.
func TestStopAndStart(t *testing.T) {
	s := newStand(t)
	s.Renew = true
	s.plays()
	a, list := s.says(sayStop(), sayStop(), sayStart(4))
	if find[*abi.Detach](a) == nil || len(list) != 0 {
		t.Fatalf("%v", a.verdicts)
	}
	a, list = s.tells(s.detached("detached"))
	if len(list) != 3 || list[0].kind != reportEnd || list[1].kind != reportEnd || list[2].kind != reportStarted || find[*abi.Attach](a) == nil {
		t.Fatalf("%v %x", a.verdicts, list)
	}
	if s.phase() != playing || s.Taken != uint64(len(s.Input)) {
		t.Errorf("phase %d, %d bytes left", s.phase(), uint64(len(s.Input))-s.Taken)
	}
	// The stream ends in the same moment: the host tells of both.
	s.says(sayStop())
	if _, list = s.tells(s.detached("source_end")); len(list) != 0 {
		t.Errorf("%x", list)
	}
	_, list = s.tells(s.detached("detached"))
	s.only(list, reportEnd, succeeded)
}

// TestStreamEnds: the host has sent the end; the player may start again once there is
// something.
func TestStreamEnds(t *testing.T) {
	s := newStand(t)
	s.plays()
	if _, list := s.tells(s.detached("source_end")); len(list) != 0 || s.phase() != opened {
		t.Fatalf("phase %d: %x", s.phase(), list)
	}
	s.tells(summary(abi.PointIdle, nil))
	_, list := s.says(sayStart(4))
	s.only(list, reportStarted, errMismatch)
}

// TestFarewell: libavformat's players, and no others, are sent what ends them wherever a
// stream ends for them.
func TestFarewell(t *testing.T) {
	h, err := asf.ParseHeader(header(t))
	if err != nil {
		t.Fatal(err)
	}
	deaf, size := "NSPlayer/7.0.0.1956; "+libavformat+"; Host: h", dataHead+h.PacketSize+1
	for _, c := range []struct {
		name   string
		happen func(s *stand)
		told   int // bytes of EndOfStream
	}{
		{"source_end", func(s *stand) { s.Send(s.detached("source_end")) }, 0},
		{"header_change", func(s *stand) { s.Send(s.detached("header_change")) }, 0},
		{"stop", func(s *stand) { s.Send(&abi.Stop{Head: s.Head()}) }, 48},
	} {
		for name, want := range map[string]int{deaf: size, "NSPlayer/7.0.0.1956; {0}; Host: h": 0} {
			s := newStand(t)
			s.Send(&abi.ConnOpen{Head: s.Head()})
			s.says(say(viewerConnect, name, 0, 0x0004000B, 0x0003001C), sayFunnel(`\\192.168.0.129\TCP\1037`), sayOpen("live"))
			s.tells(summary(abi.PointLive, header(t)))
			s.says(sayRead(), saySwitch(), sayStart(4))
			c.happen(s)
			out := s.take().out
			if len(out) != c.told+want {
				t.Fatalf("%s: %s is sent %d bytes, %d expected", c.name, name, len(out), c.told+want)
			}
			if b := out[c.told:]; want > 0 && (b[4] != mediaIncarnation || int(le.Uint16(b[6:])) != size) {
				t.Errorf("%s: the packet begins with %x", c.name, b[:dataHead])
			}
		}
	}
}

// TestHeaderChanges: a player that plays is told of another header and has it; one that
// does not must open the file again.
func TestHeaderChanges(t *testing.T) {
	other := bytes.Clone(header(t))
	other[len(other)-1-50]++ // the last of the Header Object
	s := newStand(t)
	s.Renew = true
	s.plays()
	a, list := s.tells(s.detached("header_change"))
	if w := find[*abi.Watch](a); w == nil || len(list) != 0 {
		t.Fatalf("%v", a.verdicts)
	}
	a, list = s.tells(summary(abi.PointLive, other))
	if m := s.only(list, reportStreamChange, succeeded); m.u32(44) != headerIncarnation || m.u32(52) != uint32(len(other)) || !bytes.HasSuffix(a.out, []byte(headerMark)) {
		t.Errorf("StreamChange %x", a.out)
	}
	if _, list = s.says(saySwitch(), sayStart(4)); len(list) != 2 || list[1].kind != reportStarted || list[1].u32(40) != succeeded {
		t.Fatalf("%x", list)
	}

	s = newStand(t)
	s.opens()
	s.tells(summary(abi.PointLive, other))
	_, list = s.says(sayStart(4))
	s.only(list, reportStarted, errMismatch)

	s = newStand(t)
	s.opens()
	s.tells(summary(abi.PointLive, other))
	s.says(sayRead())
	_, list = s.says(sayStart(4))
	s.only(list, reportStarted, succeeded)

	s = newStand(t)
	s.plays()
	s.tells(s.detached("header_change"))
	if a, _ = s.tells(summary(abi.PointWaiting, nil)); find[*abi.Close](a) == nil {
		t.Errorf("nothing follows: %v", a.verdicts)
	}
}
