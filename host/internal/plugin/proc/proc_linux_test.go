package proc

import (
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// ask sends a command and gives the text that the plugin writes.
func ask(t testing.TB, i plugin.Instance, command string) string {
	t.Helper()
	answer, fault := i.Call(0, request(command))
	if fault != nil {
		t.Fatalf("%s: %+v", command, fault)
	}
	return written(t, answer)
}

// written gives the literal bytes of the first WRITE.
func written(t testing.TB, verdicts []byte) string {
	t.Helper()
	var r abi.Reader
	if err := r.Reset(verdicts); err != nil {
		t.Fatal(err)
	}
	for {
		raw, ok, err := r.Next()
		if err != nil || !ok {
			t.Fatalf("no WRITE in %d bytes (%v)", len(verdicts), err)
		}
		if raw.Op != abi.OpWrite {
			continue
		}
		var w abi.Write
		if err := r.Decode(raw, &w); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for p := range w.Pieces.All() {
			b.Write(p.Bytes)
		}
		return b.String()
	}
}

func TestEcho(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	if g.Manifest().Name != "sinner" || g.Carrier() != "proc" || g.PID() == 0 || len(g.Hash()) != 64 {
		t.Errorf("%q %q %d %q", g.Manifest().Name, g.Carrier(), g.PID(), g.Hash())
	}
	i := instanceOf(t, g)
	for _, text := range []string{"first", "", strings.Repeat("x", 60_000)} {
		if got := ask(t, i, "echo "+text); got != text {
			t.Errorf("%d bytes for %d", len(got), len(text))
		}
	}
}
