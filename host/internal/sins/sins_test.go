package sins

import (
	"strings"
	"testing"
	"time"
)

// TestRead: every testplugin's expectation can be read.
func TestRead(t *testing.T) {
	all, err := Read("../../../testplugins")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 15 {
		t.Errorf("%d expectations", len(all))
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("an empty folder is no error")
	}
}

func TestParse(t *testing.T) {
	e, err := parse([]byte("kinds: [trap]\nwithin: 2s\nstatus: 503\nevent: 1s\n"))
	if err != nil || !e.Is(Wasm) || e.Is(Proc) || len(e.Queries) != 1 || e.Queries[0] != "sin" || e.Within != 2*time.Second {
		t.Errorf("%+v, %v", e, err)
	}
	want := "  trap: {module: \"builtin:trap\", listeners: [web], grant: {attach: [\"*\"]}, limits: {event: 1s}}\n"
	if got := e.Line("trap", `module: "builtin:trap"`, "web"); got != want {
		t.Errorf("line %q", got)
	}
	for text, want := range map[string]string{
		"kind: trap": "not found", "within: 2s": "status is missing", "status: 503": "within is missing",
		"carriers: [cart]\nstatus: 503\nwithin: 1s": "write wasm", "blames: me\nstatus: 503\nwithin: 1s": "session or nobody",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
