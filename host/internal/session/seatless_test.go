package session

import (
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// TestSessionsWithoutConnections: ATTACH in a session that has no connection is refused,
// whichever it names, and the plugin serves on.
func TestSessionsWithoutConnections(t *testing.T) {
	for _, conn := range []uint32{0, 1, 2} {
		r := newRig(t, false, point.Options{Name: "live"})
		r.fill("live")
		asked := 0
		r.add("name: writer\nroles: [announce]\ncapabilities: [documents, attach]\ndocuments: [{format: txt, type: text/plain}]\n",
			func(_ *memo, _ abi.Record, v *sdk.Verdicts) error {
				if asked++; asked == 1 {
					v.Attach(abi.Attach{Conn: conn, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey}, nil)
					return nil
				}
				p := v.Pieces()
				p.Text("a document")
				v.Document("text/plain", 0, p)
				return nil
			})
		if _, body, err := r.room.Announcement("txt", "live", "", ""); err == nil {
			t.Errorf("connection %d: answered by %q", conn, body)
		}
		if _, body, err := r.room.Announcement("txt", "live", "", ""); err != nil || string(body) != "a document" {
			t.Errorf("connection %d: %q, %v behind it", conn, body, err)
		}
	}
}
