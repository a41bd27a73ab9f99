package host

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
)

// TestPrintPlays: of each way in which a point can be played there is one line that can be
// pasted, whatever else there is, and of a second listener none.
func TestPrintPlays(t *testing.T) {
	var out bytes.Buffer
	s := &Server{options: Options{Out: &out}}
	var offers []announce.Offer
	for _, address := range []string{"0.0.0.0:8080", "127.0.0.1:8554"} {
		for _, name := range []string{"http", "wmsp", "mms", "rtsp"} {
			text, err := os.ReadFile("../plugins/" + name + "/plugin.yaml")
			if err != nil {
				t.Fatal(err)
			}
			m, err := manifest.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			offers = append(offers, announce.Offer{Plugin: name, Listener: address, Address: netip.MustParseAddrPort(address), Plays: m.Plays})
		}
	}
	s.book.Set(offers)
	s.printPlays(point.New(point.Options{Name: "live"}, nil))
	for _, line := range []string{
		"play live:",
		"  vlc mms://127.0.0.1:8080/live",
		"  ffplay mmsh://127.0.0.1:8080/live",
		"  ffplay http://127.0.0.1:8080/live",
		"  ffplay http://127.0.0.1:8080/live.ts",
		"  ffplay rtsp://127.0.0.1:8080/live",
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("there is no %q in\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "8554") {
		t.Errorf("a URL is there twice\n%s", out.String())
	}
}
