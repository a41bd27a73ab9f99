package session

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const webYAML = `
name: web
roles: [control, announce]
listens:
  http:
    - {name: play, methods: [GET], path: "/{point}"}
    - {name: push, methods: [POST], path: "/{point}"}
    - {name: own, methods: [GET], path: "/own"}
documents: [{format: asx, type: video/x-ms-asf}]
capabilities: [documents]
`

// reading is a fallback that only gives things out.
type reading struct{ http.Handler }

func (reading) Takes(method string) bool { return method == http.MethodGet }

// TestFallback: what no plugin takes, and what no point stands behind, is the fallback's.
func TestFallback(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "live"})
	runner := r.add(webYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if q, ok := e.(*abi.HTTPRequest); ok {
			p := v.Pieces()
			p.Text("plugin " + string(q.Route) + " " + fmt.Sprint(q.TLS))
			v.Respond(200, abi.ResponseClose, nil, p)
		}
		return nil
	})
	front := r.room.NewFront()
	table, err := manifest.Compile([]manifest.Source{{Plugin: "web", Listener: "web", Manifest: runner.Generation().Manifest()}})
	if err != nil {
		t.Fatal(err)
	}
	front.SetTable(table)
	l, err := netio.Listen(netio.Options{Name: "web", Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, HTTP: true, Handler: front})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.room.Close(); l.Close() })
	ask := func(request string) string {
		t.Helper()
		a, err := http.ReadResponse(bufio.NewReader(r.dial(l.Addrs()[0].String(), request+" HTTP/1.0\n\n")), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(a.StatusCode, " ", string(b))
	}
	other := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, "other ", q.Method, " ", q.URL.Path) })
	const (
		mine    = "200 plugin "
		nothing = "404 nothing is at /x/ on this server\n"
		methods = "405 this address takes GET, HEAD, POST\n"
	)
	for _, c := range []struct{ request, none, upstream, files string }{
		{"GET /live", mine + "play 0", mine + "play 0", mine + "play 0"},
		{"GET /own", mine + "own 0", mine + "own 0", mine + "own 0"},
		{"GET /index.html", mine + "play 0", "200 other GET /index.html", "200 other GET /index.html"},
		{"POST /index.html", mine + "push 0", "200 other POST /index.html", mine + "push 0"},
		{"GET /none.asx", "404 there is no point \"none\" on this server\n", "200 other GET /none.asx", "200 other GET /none.asx"},
		{"GET /x/", nothing, "200 other GET /x/", "200 other GET /x/"},
		{"POST /x/", nothing, "200 other POST /x/", "200 other POST /x/"},
		{"DELETE /live.asx", methods, "200 other DELETE /live.asx", methods},
	} {
		for _, f := range []struct {
			name    string
			handler http.Handler
			want    string
		}{{"none", nil, c.none}, {"upstream", other, c.upstream}, {"files", reading{other}, c.files}} {
			front.SetFallback(f.handler)
			if got := ask(c.request); got != f.want {
				t.Errorf("%s, %s: got %q, want %q", c.request, f.name, got, f.want)
			}
		}
	}
	front.SetFallback(other)
	runner.Disable("for a test")
	if got := ask("GET /live"); got[:3] != "503" {
		t.Errorf("a disabled plugin's point: %s", got)
	}
	if got := ask("GET /index.html"); got != "200 other GET /index.html" {
		t.Errorf("beside a disabled plugin: %s", got)
	}
}
