package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/sdktest"
)

const (
	stream = "../../sdk/asf/testdata/wmv2.asfstream"
	pipe   = "../../sdk/asf/testdata/wmv2-pipe.asf"
	ts     = "../../sdk/mpegts/testdata/h264.ts"
	webm   = "../../sdk/matroska/testdata/vp8-vorbis.webm"
	vorbis = "../../sdk/ogg/testdata/vorbis.ogg"
)

func request(name string, state abi.PointState) *abi.HTTPRequest {
	e := &abi.HTTPRequest{Route: []byte("push"), Method: []byte("POST"), Path: []byte("/" + name), Body: abi.BodyChunked}
	e.Conn = 1
	e.Point.Name, e.Point.State = []byte(name), state
	return e
}

func start(t testing.TB) *rig {
	r := newRig(t)
	r.Send(request("live", abi.PointWaiting))
	if _, ok := r.Verdicts[0].(*abi.Accept); !ok || len(r.Verdicts) != 1 {
		t.Fatalf("answer to the request: %v", r.Verdicts)
	}
	return r
}

func (r *rig) published() string {
	for _, v := range r.Verdicts {
		if p, ok := v.(*abi.Publish); ok {
			return string(p.Format)
		}
	}
	return ""
}

// strip takes the framing off by itself: what the child must be fed.
func strip(t testing.TB, b []byte) (plain []byte) {
	t.Helper()
	for len(b) > 0 {
		c, _, err := asf.ParseChunk(b, asf.FramedMMS)
		sdktest.Must(t, err)
		if c.Kind == asf.ChunkHeader || c.Kind == asf.ChunkData {
			plain = append(plain, b[c.Payload:c.Size]...)
		}
		b = b[c.Size:]
	}
	return plain
}

// bare turns MMS framing into that of a Windows Media encoder: no 8-byte heads,
// padding stripped, and chunks between that carry no media.
func bare(t testing.TB, b []byte) (out []byte) {
	t.Helper()
	chunk := func(kind byte, payload []byte) {
		out = append(out, '$', kind, byte(len(payload)), byte(len(payload)>>8))
		out = append(out, payload...)
	}
	size := 0
	for i := 0; len(b) > 0; i++ {
		c, _, err := asf.ParseChunk(b, asf.FramedMMS)
		sdktest.Must(t, err)
		payload := b[c.Payload:c.Size]
		b = b[c.Size:]
		switch c.Kind {
		case asf.ChunkHeader:
			h, err := asf.ParseHeader(payload)
			sdktest.Must(t, err)
			size = h.PacketSize
			chunk('H', payload)
		case asf.ChunkData:
			var p asf.Packet
			sdktest.Must(t, asf.ParsePacket(payload, size, &p))
			chunk('D', payload[:p.PaddingAt])
		case asf.ChunkEnd:
			chunk('E', make([]byte, 4))
		}
		if i%3 == 1 {
			chunk('F', bytes.Repeat([]byte{'$'}, 50))
			chunk('T', []byte("abc"))
		}
	}
	return out
}

func TestFramedIsFedPlain(t *testing.T) {
	b := sdktest.Read(t, stream)
	want := strip(t, b)
	for _, n := range []int{7, 1000, 3212, 50_000, len(b)} {
		r := start(t)
		r.Renew = n == 1000
		r.Stream(b, n)
		if r.published() != "bytes:asf" || !bytes.Equal(r.Fed, want) {
			t.Fatalf("by %d: published %q, fed %d bytes, want %d: %s", n, r.published(), len(r.Fed), len(want), r.Text)
		}
		if r.Status != 200 {
			t.Errorf("by %d: $E is answered with %d %q", n, r.Status, r.Text)
		}
	}
}

func TestBarePushIsPaddedAgain(t *testing.T) {
	framed := sdktest.Read(t, stream)
	plain, b := strip(t, framed), bare(t, framed)
	h, err := asf.ParseHeader(plain)
	sdktest.Must(t, err)
	for _, n := range []int{11, 2000, len(b)} {
		r := start(t)
		r.Stream(b, n)
		if len(r.Fed) != len(plain) || !bytes.Equal(r.Fed[:h.Size], plain[:h.Size]) || r.Status != 200 {
			t.Fatalf("by %d: fed %d bytes, want %d; %d %s", n, len(r.Fed), len(plain), r.Status, r.Text)
		}
		for at := h.Size; at < len(plain); at += h.PacketSize {
			var got, want asf.Packet
			sdktest.Must(t, asf.ParsePacket(r.Fed[at:at+h.PacketSize], h.PacketSize, &got))
			sdktest.Must(t, asf.ParsePacket(plain[at:at+h.PacketSize], h.PacketSize, &want))
			if got.Count != want.Count || got.SendTime != want.SendTime {
				t.Fatalf("packet at %d: %d payloads at %d, want %d at %d", at, got.Count, got.SendTime, want.Count, want.SendTime)
			}
			for i, l := range got.List() {
				m := want.Payloads[i]
				if !bytes.Equal(r.Fed[at+l.Start:at+l.End], plain[at+m.Start:at+m.End]) {
					t.Fatalf("packet at %d: payload %d differs", at, i)
				}
			}
		}
	}
}

func TestNewHeaderInChange(t *testing.T) {
	b := bare(t, sdktest.Read(t, stream))
	header := strip(t, sdktest.Read(t, stream))
	h, err := asf.ParseHeader(header)
	sdktest.Must(t, err)
	change := append([]byte{'$', 'C', byte(h.Size + 4), byte((h.Size + 4) >> 8), 0, 0, 0, 0}, header[:h.Size]...)
	b = b[:len(b)-8] // without $E
	r := start(t)
	r.Stream(append(append(bytes.Clone(b), change...), b[4+h.Size:]...), 5000)
	packets := (len(header) - h.Size)
	if want := 2 * (h.Size + packets); len(r.Fed) != want {
		t.Fatalf("fed %d, want %d; %s", len(r.Fed), want, r.Text)
	}
	if !bytes.Equal(r.Fed[h.Size+packets:][:h.Size], header[:h.Size]) {
		t.Error("the new header is not where it belongs")
	}
}

func TestSplitHeader(t *testing.T) {
	b := sdktest.Read(t, stream)
	h, err := asf.ParseHeader(b[12:])
	sdktest.Must(t, err)
	header := b[12 : 12+h.Size]
	var in []byte
	for i, part := range [][]byte{header[:300], header[300:]} {
		head := asf.MMSDataHead(uint32(i), 0, byte(asf.AFFirst<<i), len(part))
		in = append(in, '$', 'H', byte(len(part)+8), byte((len(part)+8)>>8))
		in = append(append(in, head[:]...), part...)
	}
	r := start(t)
	r.Stream(append(in, b[12+h.Size:]...), 100)
	if !bytes.Equal(r.Fed, strip(t, b)) {
		t.Fatalf("fed %d bytes; %s", len(r.Fed), r.Text)
	}
}

func TestPassedThrough(t *testing.T) {
	for path, format := range map[string]string{pipe: "bytes:asf", ts: "bytes:mpegts", webm: "bytes:webm", vorbis: "bytes:ogg"} {
		r := start(t)
		r.Renew = true
		r.Stream(sdktest.Read(t, path), 100)
		if r.published() != format || !r.Through || r.Taken != 0 {
			t.Fatalf("%s: published %q, through %v, %d consumed; %s", path, r.published(), r.Through, r.Taken, r.Text)
		}
		r.End(abi.EndClosed)
		if r.Status != 200 {
			t.Errorf("%s: end is answered with %d", path, r.Status)
		}
	}
}

func TestRequestRefused(t *testing.T) {
	busy := request("live", abi.PointLive)
	busy.Point.HasSource = 1
	setup := request("live", abi.PointWaiting)
	setup.Fields.Add([]byte("content-type"), []byte("application/x-wms-pushsetup; charset=x"))
	for _, c := range []struct {
		e      *abi.HTTPRequest
		status int
		want   string
	}{
		{request("nix", abi.PointUnknown), 404, "plugins.yaml"},
		{busy, 409, `point "live" has a source already`},
		{request("live", abi.PointDraining), 503, "push again once it runs"},
		{setup, 501, "PushSetup"},
	} {
		r := newRig(t)
		r.Send(c.e)
		a, ok := r.Verdicts[0].(*abi.HTTPResponse)
		if !ok || r.Status != c.status || a.Flags != abi.ResponseReset || !strings.Contains(r.Text, c.want) {
			t.Errorf("%d %q, want %d %q", r.Status, r.Text, c.status, c.want)
		}
	}
}

func TestBodyRefused(t *testing.T) {
	framed, plain := sdktest.Read(t, stream), sdktest.Read(t, pipe)
	damaged := bytes.Clone(plain)
	for i := range 64 {
		damaged[40+i] = 0
	}
	variable := bytes.Clone(plain)
	at := bytes.Index(variable, []byte{0xA1, 0xDC, 0xAB, 0x8C})
	binary.LittleEndian.PutUint32(variable[at+96:], 9999)
	broken := bytes.Clone(framed)
	broken[12+809+3212] = 'x' // where a chunk begins
	big := bytes.Clone(framed)
	big = append(big[:12+809:12+809], "$D\xFF\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF"...)
	big = append(big, make([]byte, 65535-8)...)
	for _, c := range []struct {
		name   string
		in     []byte
		status int
		want   string
	}{
		{"empty", nil, 400, "no body"},
		{"short ogg", []byte("Og"), 400, "ended after 2 bytes"},
		{"short webm", []byte("\x1A\x45"), 400, "ended after 2 bytes"},
		{"flv", []byte("FLV\x01\x05"), 415, "the body is Flash Video"},
		{"junk", []byte("\x00\x01hello"), 415, "begins with 00 01 68 65 6c 6c 6f, which is neither"},
		{"truncated plain", plain[:400], 400, "ended after 400 bytes"},
		{"truncated framed", framed[:400], 400, "ended after 400 bytes"},
		{"truncated guid", plain[:9], 400, "ended after 9 bytes"},
		{"short ts", []byte("G"), 400, "ended after 1 bytes"},
		{"damaged", damaged, 400, "damaged"},
		{"variable", variable, 400, "packets of several sizes"},
		{"broken framing", broken, 400, "the framing is broken (byte 4033 of the body)"},
		{"oversized packet", big, 400, "a data packet of 65527 bytes (byte 821 of the body) does not fit the header, whose packets have 3200"},
	} {
		r := start(t)
		r.Data(c.in, 0)
		if r.Status == 0 {
			r.End(abi.EndClosed)
		}
		if r.Status != c.status || !strings.Contains(r.Text, c.want) {
			t.Errorf("%s: %d %q, want %d %q", c.name, r.Status, r.Text, c.status, c.want)
		}
	}
}

func TestHostRefuses(t *testing.T) {
	for code, want := range map[abi.Code]int{
		abi.EBUSY: 409, abi.ENOENT: 404, abi.EPERM: 403, abi.ESTATE: 503, abi.ELIMIT: 503, abi.ENOSYS: 415, abi.EINVAL: 500,
	} {
		r := start(t)
		before := bytes.Clone(r.State)
		r.Data(sdktest.Read(t, ts)[:1000], 0)
		r.State, r.Through = before, false // nothing of a refused batch is applied
		r.Send(&abi.Refused{Code: code, Text: []byte("so says the host"), During: abi.OpData})
		if r.Status != want || !strings.Contains(r.Text, "so says the host") || !strings.Contains(r.Text, "live") && want != 503 && want != 415 && want != 500 {
			t.Errorf("%v: %d %q", code, r.Status, r.Text)
		}
		r.Status = 0
		r.Send(&abi.Refused{Code: abi.ECLOSED, During: abi.OpRefused})
		if r.Status != 0 {
			t.Errorf("%v: answers twice", code)
		}
	}
}

func TestStopped(t *testing.T) {
	for reason, want := range map[abi.StopReason]int{
		abi.StopChild: 400, abi.StopPoint: 503, abi.StopDisabled: 503, abi.StopDraining: 503,
	} {
		r := start(t)
		r.Data(sdktest.Read(t, stream)[:5000], 0)
		r.Send(&abi.Stop{Reason: reason, Text: []byte("no ASF packet")})
		if r.Status != want || !strings.Contains(r.Text, "no ASF packet") {
			t.Errorf("%v: %d %q", reason, r.Status, r.Text)
		}
	}
}

func TestConnectionLost(t *testing.T) {
	r := start(t)
	r.Data(sdktest.Read(t, stream)[:5000], 0)
	r.End(abi.EndReset)
	if r.Status != 0 {
		t.Errorf("a broken connection is answered: %d", r.Status)
	}
}

func TestStateRoundTrip(t *testing.T) {
	r := start(t)
	r.Data(sdktest.Read(t, stream)[:5000], 0)
	var s state
	sdktest.Must(t, s.ReadState(r.State))
	if !bytes.Equal(s.AppendState(nil), r.State) || string(s.point) != "live" || s.packetSize != 3200 {
		t.Errorf("state %+v", s)
	}
	for n := range fixedSize {
		if new(state).ReadState(r.State[:n]) == nil {
			t.Fatalf("%d bytes pass for a state", n)
		}
	}
}

func FuzzBody(f *testing.F) {
	framed := sdktest.Read(f, stream)
	f.Add(framed[:9000], uint16(500))
	f.Add(bare(f, framed)[:9000], uint16(501))
	f.Add(sdktest.Read(f, pipe)[:2000], uint16(300))
	f.Add([]byte("GGG"), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		r := start(t)
		r.Renew = n&1 != 0
		r.Stream(b, max(int(n), 1+len(b)/50))
		if r.Status == 0 {
			r.End(abi.EndClosed)
		}
		if r.Status == 0 {
			t.Fatal("the exchange ends without an answer")
		}
		if r.Status == 200 && r.published() == "" {
			t.Fatal("praises a stream that was never published")
		}
	})
}
