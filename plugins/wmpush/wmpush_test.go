package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/sdktest"
)

// bare turns MMS framing into that of a Windows Media encoder: no 8-byte heads, padding
// stripped, filler between. It ends without $E.
func bare(t testing.TB, b []byte) (header []byte, chunks [][]byte, plain []byte) {
	t.Helper()
	chunk := func(kind byte, payload []byte) []byte {
		return append([]byte{'$', kind, byte(len(payload)), byte(len(payload) >> 8)}, payload...)
	}
	size := 0
	for len(b) > 0 {
		c, _, err := asf.ParseChunk(b, asf.FramedMMS)
		sdktest.Must(t, err)
		payload := b[c.Payload:c.Size]
		b = b[c.Size:]
		switch c.Kind {
		case asf.ChunkHeader:
			h, err := asf.ParseHeader(payload)
			sdktest.Must(t, err)
			size, header, plain = h.PacketSize, payload, append(plain, payload...)
			chunks = append(chunks, chunk('H', payload), chunk('F', make([]byte, 100)))
		case asf.ChunkData:
			var p asf.Packet
			sdktest.Must(t, asf.ParsePacket(payload, size, &p))
			chunks = append(chunks, chunk('D', payload[:p.PaddingAt]))
			plain = append(plain, payload...)
		}
	}
	return header, chunks, plain
}

func TestSetUp(t *testing.T) {
	for _, directives := range []string{"", "AutoDestroy: 1\r\n", "Template-URL: http://server:80/tem%70late\r\nAutoDestroy: 0\r\n"} {
		r := setUp(t, directives)
		k, ok := find[*abi.BindKey](r)
		if !ok || len(k.Key) == 0 || k.Keep != usualTimeout*nsPerMs {
			t.Errorf("%q: key %+v", directives, k)
		}
		var s state
		sdktest.Must(t, s.ReadState(r.State))
		if s.phase != ready || s.autoDestroy != strings.Contains(directives, ": 1") || (string(s.template) == "template") != strings.Contains(directives, "Template") {
			t.Errorf("%q: state %+v", directives, s)
		}
	}
}

// TestSessionOfSeveralStarts: what comes by several requests is one stream, and the point
// is published once.
func TestSessionOfSeveralStarts(t *testing.T) {
	_, chunks, plain := bare(t, sdktest.Read(t, stream))
	r := setUp(t, "AutoDestroy: 1\r\n")
	r.Renew = true
	for i := 0; i < len(chunks); i += 3 {
		part := bytes.Join(chunks[i:min(i+3, len(chunks))], nil)
		r.Status = 0
		r.Send(r.request("pushstart", "x=1; push-id=7", len(part)))
		r.body(part, 700)
		r.End(abi.EndClosed)
		if r.Status != 204 {
			t.Fatalf("PushStart %d is answered with %d %q", i/3, r.Status, r.Text)
		}
	}
	if len(r.Fed) != len(plain) {
		t.Fatalf("fed %d bytes, want %d", len(r.Fed), len(plain))
	}
	published := 0
	for _, v := range r.Verdicts {
		if u, ok := v.(*abi.Publish); ok {
			published++
			if string(u.Point) != "live" || string(u.Format) != "bytes:asf" || u.Flags != abi.PublishAutoDestroy {
				t.Errorf("published %+v", u)
			}
		}
	}
	if published != 1 {
		t.Errorf("published %d times", published)
	}
}

// TestEntries: $E with reason 1 and the $C behind it are no end, $E 0 is.
func TestEntries(t *testing.T) {
	header, chunks, plain := bare(t, sdktest.Read(t, stream))
	body := bytes.Join(chunks, nil)
	change := append([]byte{'$', 'C', byte(len(header) + 4), byte((len(header) + 4) >> 8), 0, 0, 0, 0}, header...)
	next, done := asf.EndChunk(asf.ReasonNext), asf.EndChunk(asf.ReasonDone)
	r := setUp(t, "")
	all := append(append(append(bytes.Clone(body), next[:]...), change...), done[:]...)
	r.Status = 0
	r.Send(r.request("pushstart", "push-id=7", 1<<31-1))
	r.Input, r.Taken = nil, 0
	r.Stream(all, 1000)
	if r.Status != 204 || len(r.Fed) != len(plain)+len(header) {
		t.Fatalf("answered %d %q, fed %d bytes, want %d", r.Status, r.Text, len(r.Fed), len(plain)+len(header))
	}
	if c, ok := find[*abi.Close](r); !ok || c.Conn != 0 {
		t.Error("the session goes on behind $E")
	}
}

func TestStartsAreRefused(t *testing.T) {
	_, chunks, _ := bare(t, sdktest.Read(t, stream))
	body := bytes.Join(chunks, nil)
	for name, c := range map[string]struct {
		do     func(r *rig)
		status int
		says   string
	}{
		"no push-id":    {func(r *rig) { r.State = nil; r.Send(r.request("pushstart", "", 9)) }, 400, "PushSetup first"},
		"zero push-id":  {func(r *rig) { r.State = nil; r.Send(r.request("pushstart", "push-id=0", 9)) }, 400, "PushSetup first"},
		"large push-id": {func(r *rig) { r.State = nil; r.Send(r.request("pushstart", "push-id=99999999999", 9)) }, 400, "PushSetup first"},
		"other address": {func(r *rig) {
			e := r.request("pushstart", "push-id=7", 9)
			e.Remote = []byte("192.0.2.10:50000")
			r.Send(e)
		}, 403, "another address"},
		"other point": {func(r *rig) {
			e := r.request("pushstart", "push-id=7", 9)
			e.Point.Name = []byte("other")
			r.Send(e)
		}, 403, `"live"`},
		"no chunks": {func(r *rig) {
			r.Send(r.request("pushstart", "push-id=7", 9))
			r.body([]byte("nonsense!"), 9)
		}, 400, "framing is broken"},
		"half a chunk": {func(r *rig) {
			r.Send(r.request("pushstart", "push-id=7", 700))
			r.body(body[:700], 700)
		}, 400, "inside of a chunk"},
		"packet first": {func(r *rig) {
			r.Send(r.request("pushstart", "push-id=7", len(chunks[2])))
			r.body(chunks[2], 9999)
		}, 400, "before the header"},
		"silence": {func(r *rig) {
			r.Send(r.request("pushstart", "push-id=7", len(body)))
			r.Data(body[:5000], 0)
			r.Send(&abi.Timer{Head: r.Head(), ID: silence})
		}, 408, "NS_E_TIMEOUT"},
		"silent line": {func(r *rig) {
			r.Send(r.request("pushstart", "push-id=7", len(body)))
			r.End(abi.EndTimeout)
		}, 408, "nothing for too long"},
		"format": {func(r *rig) {
			r.Send(r.request("pushstart", "push-id=7", len(body)))
			r.Send(&abi.Stop{Head: r.Head(), Reason: abi.StopChild, Text: []byte("no ASF packet")})
		}, 400, "no ASF packet"},
	} {
		t.Run(name, func(t *testing.T) {
			r := setUp(t, "")
			r.Status = 0
			c.do(r)
			if r.Status != c.status || !strings.Contains(r.Text, c.says) {
				t.Errorf("%d %q, want %d %q", r.Status, r.Text, c.status, c.says)
			}
		})
	}
}

func TestSetUpIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *abi.HTTPRequest)
		status int
		says   string
	}{
		"unknown":   {func(e *abi.HTTPRequest) { e.Point.State = abi.PointUnknown }, 404, "NS_E_INVALID_PUBLISHING_POINT_NAME"},
		"pulled":    {func(e *abi.HTTPRequest) { e.Point.Push = 0 }, 403, "NS_E_INVALID_PUSH_PUBLISHING_POINT"},
		"busy":      {func(e *abi.HTTPRequest) { e.Point.HasSource = 1 }, 409, "NS_E_PUSH_DUPLICATE_PUBLISHING_POINT_NAME"},
		"draining":  {func(e *abi.HTTPRequest) { e.Point.State = abi.PointDraining }, 503, "NS_E_PUBLISHING_POINT_STOPPED"},
		"stopped":   {func(e *abi.HTTPRequest) { e.Point.State = abi.PointStopped }, 503, "(0xC00D145E): publishing point \"live\" is stopped"},
		"long":      {func(e *abi.HTTPRequest) { e.Length = maxDirectives + 1 }, 413, "4096"},
		"no length": {func(e *abi.HTTPRequest) { e.Body = abi.BodyChunked }, 411, "Content-Length"},
	} {
		r := newRig(t)
		e := r.request("pushsetup", "", 16)
		c.change(e)
		r.Send(e)
		if r.Status != c.status || !strings.Contains(r.Text, c.says) {
			t.Errorf("%s: %d %q, want %d %q", name, r.Status, r.Text, c.status, c.says)
		}
		if k, ok := find[*abi.BindKey](r); ok {
			t.Errorf("%s: bound %v", name, k)
		}
	}
	for directives, status := range map[string]int{"hello\r\n": 400, "Template-URL: \r\n": 404, "Template-URL: http://h\r\n": 404, "Template-URL: /a%zz\r\n": 404} {
		r := newRig(t)
		r.Send(r.request("pushsetup", "", len(directives)))
		r.body([]byte(directives), 3)
		if r.Status != status {
			t.Errorf("%q: %d %q", directives, r.Status, r.Text)
		}
	}
}

// TestPointIsMade: an unknown point that a template fits is taken, and published with what
// the directives say.
func TestPointIsMade(t *testing.T) {
	_, chunks, _ := bare(t, sdktest.Read(t, stream))
	r := newRig(t)
	const directives = "Template-URL: http://server/news\r\nAutoDestroy: 1\r\n"
	e := r.request("pushsetup", "push-id=0", len(directives))
	e.Point.State, e.Point.Push, e.Point.Template = abi.PointUnknown, 0, []byte("studio/*")
	r.Send(e)
	r.body([]byte(directives), 9999)
	r.End(abi.EndClosed)
	r.Send(r.request("pushstart", "push-id=7", 1<<31-1))
	r.Input, r.Taken = nil, 0
	before := bytes.Clone(r.State)
	r.Data(bytes.Join(chunks, nil), 0)
	u, ok := find[*abi.Publish](r)
	if !ok || string(u.Template) != "news" || u.Flags != abi.PublishAutoDestroy {
		t.Fatalf("published %+v; %s", u, r.Text)
	}
	for code, status := range map[abi.Code]int{abi.EBUSY: 409, abi.ENOENT: 404, abi.EINVAL: 404, abi.EPERM: 403, abi.ESTATE: 503, abi.ELIMIT: 503, abi.ENOSYS: 503, abi.EINTERNAL: 500} {
		r.State, r.Status = before, 0
		r.Send(&abi.Refused{Head: r.Head(), Code: code, Text: []byte("so says the host"), During: abi.OpData})
		if r.Status != status || !strings.Contains(r.Text, "so says the host") {
			t.Errorf("%v: %d %q", code, r.Status, r.Text)
		}
	}
}

func TestConnectionLost(t *testing.T) {
	_, chunks, _ := bare(t, sdktest.Read(t, stream))
	r := setUp(t, "")
	r.Send(r.request("pushstart", "push-id=7", 1<<31-1))
	r.Input, r.Taken, r.Status = nil, 0, 0
	r.Data(bytes.Join(chunks, nil), 0)
	r.End(abi.EndReset)
	if _, ok := find[*abi.Close](r); !ok || r.Status != 0 {
		t.Errorf("the session does not end with its connection; answered %d", r.Status)
	}
}

func TestJoins(t *testing.T) {
	r := newRig(t)
	r.Send(r.request("pushstart", "a=b; Push-ID = 4124758405 ; c", 1<<31-1))
	j, ok := find[*abi.JoinKey](r)
	if !ok || string(j.Key) != "4124758405" || len(r.Verdicts) != 1 || len(r.State) != 0 {
		t.Fatalf("%v, state %q", r.Verdicts, r.State)
	}
	for code, status := range map[abi.Code]int{abi.ENOENT: 404, abi.EBUSY: 409} {
		r.State, r.Status = nil, 0
		r.Send(&abi.Refused{Head: r.Head(), Code: code, During: abi.OpHTTPRequest})
		if r.Status != status {
			t.Errorf("%v: %d %q", code, r.Status, r.Text)
		}
	}
}

// TestSecondPushID: a push-id that another session has is drawn again, once.
func TestSecondPushID(t *testing.T) {
	r := newRig(t)
	const directives = "AutoDestroy: 1\r\n"
	r.Send(r.request("pushsetup", "", len(directives)))
	r.body([]byte(directives), 99)
	before := bytes.Clone(r.State)
	r.End(abi.EndClosed)
	first, _ := find[*abi.BindKey](r)
	r.State, r.Status = before, 0
	r.Send(&abi.Refused{Head: r.Head(), Code: abi.EBUSY, During: abi.OpEnd})
	second, _ := find[*abi.BindKey](r)
	if r.Status != 204 || bytes.Equal(first.Key, second.Key) {
		t.Errorf("%d, %q after %q", r.Status, second.Key, first.Key)
	}
}

func FuzzDirectives(f *testing.F) {
	f.Add([]byte("AutoDestroy: 1\r\nTemplate-URL: http://h/p%20q\r\n"))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s state
		if _, ok := s.directives(b); ok && len(s.template) > len(b) {
			t.Fatalf("%d bytes of template out of %d", len(s.template), len(b))
		}
	})
}

func FuzzCookie(f *testing.F) {
	f.Add([]byte("push-id=4124758405; a=b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, ok := pushID(b); ok && !bytes.Contains(bytes.ToLower(b), []byte("push-id")) {
			t.Fatalf("%d out of nothing", id)
		}
	})
}

func FuzzBody(f *testing.F) {
	_, chunks, _ := bare(f, sdktest.Read(f, stream))
	all := bytes.Join(chunks, nil)
	f.Add(all[:9000], uint16(500))
	f.Add([]byte("$E\x04\x00\x01\x00\x00\x00$F\x00\x00"), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		r := setUp(t, "")
		r.Status, r.Renew = 0, n&1 != 0
		r.Send(r.request("pushstart", "push-id=7", max(len(b), 1)))
		r.body(b, max(int(n), 1+len(b)/50))
		if r.Status == 0 {
			r.End(abi.EndClosed)
		}
		if r.Status == 0 {
			t.Fatal("the PushStart ends without an answer")
		}
	})
}
