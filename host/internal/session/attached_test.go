package session

import (
	"fmt"
	"io"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// TestAttachedAndDetached: ATTACHED tells of the first packet, and DETACH is answered by
// DETACHED, after which the connection can be attached again.
func TestAttachedAndDetached(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	seen := newRecorder()
	attach := func(v *sdk.Verdicts) {
		v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey}, nil)
	}
	r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Data:
			v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			if e.Offset == 0 {
				attach(v)
			} else {
				v.Detach(1)
			}
		case *abi.Attached:
			seen.add(fmt.Sprintf("attached %d %d %d", e.Sequence, e.Time, e.Tag))
		case *abi.Detached:
			seen.add(fmt.Sprintf("detached %s %d %d", e.Reason, e.Bytes, e.Packets))
			attach(v)
		}
		return nil
	})
	f := r.fill("live")
	f.Append(media.Packet{PTS: 50, DTS: 40, Tag: 7, Flags: media.Key}, []byte("second "))
	conn := r.dial(r.listen(), "\xAA\xBB\xCC\xDD")
	read := func() {
		t.Helper()
		b := make([]byte, len("second "))
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != "second " {
			t.Fatalf("%q %v; seen %q", b, err, seen.list())
		}
	}
	read()
	_, _ = conn.Write([]byte("detach"))
	seen.wait(t, "detached detached 7 1")
	read()
	if got := seen.list()[0]; got != "attached 1 50 7" {
		t.Error(got)
	}
}
