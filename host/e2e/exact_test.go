package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/sdk/asf"
)

// TestASFExact: what a Windows Media encoder has sent is what a player gets by plain HTTP
// and by MMS, and what the archive keeps, byte for byte, with the padding that was stripped
// on its way to the server. (MS-WMSP leaves it out: TestWindowsMediaEncoder; of MSB tells
// TestMSB.)
func TestASFExact(t *testing.T) {
	t.Parallel()
	s := serveWM(t, "", "  live: {source: push, grace: 0s, archive: {file: \"rec/{point}.asf\"}}\n")
	e := s.newEncoder(t, "live")
	e.live(s, "")
	s.WaitRendition("live", "asf")
	s.WaitRendition("live", "mmst")
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
	mms := dialMMS(t, s.Addr("mms"))
	mms.open("live")
	mms.start()
	s.WaitViewers("live", 2)
	s.WaitMedia("live", 2*time.Second)
	e.halt()
	e.write(wmChunk(asf.ChunkEnd, noReason))
	e.wants(http.StatusNoContent, "")

	sent := e.reel.packets[:e.at]
	e.stripped(t, sent)
	film, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	e.sentLast(t, "by HTTP", film, sent)
	mms.hear(mmsEnd, 0)
	if n := (&studio{t: t, packets: sent}).exactly(mms.packets); n < 10 {
		t.Errorf("%d packets came by MMS", n)
	}
	s.WaitStatus("the file is finished", func(st hosttest.Status) bool { return st.Points[0].Archive.State == "waiting" })
	kept, err := os.ReadFile(filepath.Join(s.Dir(), "rec", "live.asf"))
	if err != nil {
		t.Fatal(err)
	}
	if n := e.sentLast(t, "in the archive", kept, sent); n != len(sent) {
		t.Errorf("the archive has %d packets of %d", n, len(sent))
	}
}

// stripped asserts that some packets were sent without their padding: else nothing shows
// that it is put back.
func (e *wmEncoder) stripped(t *testing.T, sent [][]byte) {
	t.Helper()
	for _, packet := range sent {
		var p asf.Packet
		if asf.ParsePacket(packet, e.reel.size, &p) == nil && p.ZeroFill(e.reel.size) {
			return
		}
	}
	t.Fatalf("none of %d packets was sent without its padding", len(sent))
}

// sentLast asserts that a file holds the last packets that were sent and nothing else, and
// gives how many.
func (e *wmEncoder) sentLast(t *testing.T, where string, file []byte, sent [][]byte) int {
	t.Helper()
	h, err := asf.ParseHeader(file)
	if err != nil || h.PacketSize != e.reel.size {
		t.Fatalf("%s: packets of %d bytes, %d were sent (%v)", where, h.PacketSize, e.reel.size, err)
	}
	got := file[h.Size:]
	if len(got) < 10*e.reel.size || len(got)%e.reel.size != 0 {
		t.Fatalf("%s: %d bytes of packets", where, len(got))
	}
	if !bytes.HasSuffix(bytes.Join(sent, nil), got) {
		t.Errorf("%s: %d packets are not the last that the encoder sent", where, len(got)/e.reel.size)
	}
	return len(got) / e.reel.size
}
