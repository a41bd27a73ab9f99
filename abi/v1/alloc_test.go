package abi

import (
	"testing"
)

// noAlloc fails when f allocates.
func noAlloc(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

func TestCodecDoesNotAllocate(t *testing.T) {
	var w Writer
	var r Reader
	buf := make([]byte, 1<<14)
	eachOp(t, func(t *testing.T, op Op) {
		rec, into := filled(op), New(op)
		noAlloc(t, "put, next, decode", func() {
			w.Reset(buf)
			if w.Put(3, 0, rec) != nil || r.Reset(w.Bytes()) != nil {
				t.Fatal("put")
			}
			raw, ok, err := r.Next()
			if !ok || err != nil || r.Decode(raw, into) != nil {
				t.Fatal("decode")
			}
		})
		raw, _ := only(t, w.Bytes())
		noAlloc(t, "put raw, head", func() {
			var h Head
			w.Reset(buf)
			if w.PutRaw(raw) != nil || op.IsEvent() && raw.DecodeHead(&h) != nil {
				t.Fatal("put raw")
			}
		})
	})
}

func TestListsDoNotAllocate(t *testing.T) {
	request := filled(OpHTTPRequest).(*HTTPRequest)
	packets := filled(OpPackets).(*Packets)
	document := filled(OpDocumentRequest).(*DocumentRequest)
	packet := filled(OpPacket).(*Packet)
	datagrams := filled(OpDatagrams).(*Datagrams)
	n := 0
	noAlloc(t, "fields", func() {
		for f := range request.Fields.All() {
			n += len(f.Name)
		}
	})
	noAlloc(t, "packets", func() {
		for p := range packets.Packets.All() {
			n += len(p.Bytes)
		}
	})
	noAlloc(t, "renditions", func() {
		for r := range document.Point.Renditions.All() {
			n += len(r.Name)
		}
	})
	noAlloc(t, "endpoints", func() {
		for e := range document.Endpoints.All() {
			n += len(e.URL)
		}
	})
	noAlloc(t, "datagrams", func() {
		for d := range datagrams.Datagrams.All() {
			n += int(d.Size)
		}
	})
	noAlloc(t, "pieces", func() {
		for p := range packet.Pieces.All() {
			n += len(p.Bytes)
		}
	})
	noAlloc(t, "find", func() {
		if _, ok := document.Point.Renditions.Find("mmsh"); ok {
			n++
		}
	})
	if n == 0 {
		t.Error("nothing was walked")
	}
}

// A list that is Reset is filled again in the buffer it has.
func TestRefilledListsDoNotAllocate(t *testing.T) {
	var pieces Pieces
	var fields Fields
	var notes PacketNotes
	var renditions Renditions
	var endpoints Endpoints
	var datagrams DatagramNotes
	text := []byte("a short text")
	noAlloc(t, "refill", func() {
		pieces.Reset()
		fields.Reset()
		notes.Reset()
		renditions.Reset()
		endpoints.Reset()
		datagrams.Reset()
		for range 8 {
			pieces.Add(Piece{Bytes: text})
			pieces.Add(Piece{Kind: PieceInput, Length: 3})
			fields.Add(text, text)
			notes.Add(PacketNote{Bytes: text})
			renditions.Add(Rendition{Name: text})
			endpoints.Add(Endpoint{URL: text})
			datagrams.Add(DatagramNote{Size: 1316})
		}
	})
}

func benchRequest() *HTTPRequest {
	r := &HTTPRequest{Route: []byte("play"), Method: []byte("GET"), Path: []byte("/live/news"), Host: []byte("media.example:8080"),
		Proto: 11, Listener: []byte("web"), Local: []byte("192.0.2.1:8080"), Remote: []byte("198.51.100.7:49152")}
	for range 8 {
		r.Fields.Add([]byte("X-Header-Name"), []byte("a value of common length"))
	}
	r.Point.Name = []byte("live/news")
	r.Point.Renditions.Add(Rendition{Name: []byte("asf"), Generation: 1, HeaderSize: 1200})
	return r
}

// BenchmarkRequest is one viewer's request as the host puts it and a plugin reads it.
func BenchmarkRequest(b *testing.B) {
	rec, into := benchRequest(), new(HTTPRequest)
	var w Writer
	var r Reader
	buf := make([]byte, UsualBox)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(buf)
		_ = w.Put(1, 0, rec)
		_ = r.Reset(w.Bytes())
		raw, _, _ := r.Next()
		if r.Decode(raw, into) != nil {
			b.Fatal("decode")
		}
		for f := range into.Fields.All() {
			n += len(f.Value)
		}
	}
	b.SetBytes(int64(len(w.Bytes())))
}

// BenchmarkPackets is a batch of PACKET verdicts that mark spans: the work of a
// source plugin per packet, without parsing.
func BenchmarkPackets(b *testing.B) {
	const batch = 64
	var p, into Packet
	var w Writer
	var r Reader
	buf := make([]byte, UsualBox)
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(buf)
		for i := range uint64(batch) {
			p.PTS = int64(i)
			p.Pieces.Reset()
			p.Pieces.Add(Piece{Kind: PieceInput, Offset: i * 1400, Length: 1400})
			_ = w.Put(1, 0, &p)
		}
		if r.Reset(w.Bytes()) != nil {
			b.Fatal("frame")
		}
		for {
			raw, ok, _ := r.Next()
			if !ok {
				break
			}
			if r.Decode(raw, &into) != nil {
				b.Fatal("decode")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/packet")
}
