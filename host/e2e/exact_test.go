package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/weir-media/weir/sdk/asf"
)

// TestASFExact: what a player gets by plain HTTP is what the encoder sent, byte for byte,
// with the padding that was stripped on its way to the server.
func TestASFExact(t *testing.T) {
	t.Parallel()
	s := serveWM(t, "", "  live: {source: push, grace: 1s}\n")
	e := s.newEncoder(t, "live")
	e.live(s, "")
	s.WaitRendition("live", "asf")
	ctx, cancel := context.WithTimeout(t.Context(), 4*answered)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.http("/live.asf"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	s.WaitViewers("live", 1)
	s.WaitMedia("live", 2*time.Second)
	e.halt()
	e.write(wmChunk(asf.ChunkEnd, noReason))
	e.wants(http.StatusNoContent, "")
	film, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	h, err := asf.ParseHeader(film)
	if err != nil || h.PacketSize != e.reel.size {
		t.Fatalf("packets of %d bytes, %d were sent (%v)", h.PacketSize, e.reel.size, err)
	}
	sent, got := bytes.Join(e.reel.packets[:e.at], nil), film[h.Size:]
	stripped := 0
	for _, packet := range e.reel.packets[:e.at] {
		var p asf.Packet
		if asf.ParsePacket(packet, e.reel.size, &p) == nil && p.ZeroFill(e.reel.size) {
			stripped++
		}
	}
	if len(got) < 10*e.reel.size || len(got)%e.reel.size != 0 || stripped == 0 {
		t.Fatalf("%d bytes of packets came; %d were sent without their padding", len(got), stripped)
	}
	if !bytes.HasSuffix(sent, got) {
		t.Errorf("%d packets are not the last that the encoder sent", len(got)/e.reel.size)
	}
}
