package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
)

func sampleFaults() []admin.Fault {
	return []admin.Fault{
		{ID: 31, At: ago(3 * time.Second), Plugin: "mine", Version: "0.0.1", Generation: 7, Kind: "trap", Session: 41, Peer: "198.51.100.7:5004",
			Network: "198.51.100.0/24", Point: "live", During: "DATA", Text: "plugin \"mine\" generation 7: trap during DATA: unreachable\x1b[2J",
			Stack: "main.event\nmain.parse\n", Log: "INFO before\nINFO panic: a bad byte\nINFO goroutine 1\n", Said: "panic: a bad byte", FrameBytes: 2048},
		{ID: 30, At: ago(time.Hour), Plugin: "mine", Generation: 7, Kind: "exit", Text: "plugin \"mine\" generation 7: exit: killed"},
		{ID: 4, At: ago(25 * time.Hour), Plugin: "other", Version: "2", Generation: 9, Kind: "start", During: "OPEN", NotInForce: true, Said: "panic: not today",
			Text: "plugin \"other\" generation 9: start during OPEN: trap: unreachable"},
	}
}

func TestWriteFaults(t *testing.T) {
	var b strings.Builder
	writeFaults(&b, sampleFaults(), false)
	b.WriteString("\n")
	writeFaults(&b, sampleFaults(), true)
	golden(t, "faults.golden", b.String())
	if strings.Contains(b.String(), "\x1b") {
		t.Error("a plugin's text reaches the terminal as it is")
	}
}

func TestFaultsCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	serving(t)
	for _, c := range []struct {
		line string
		code int
		says string
		not  string
	}{
		{"faults", 0, "unreachable?", "main.parse"},
		{"faults mine --full", 0, "main.parse", ""},
		{"faults --id 31", 0, "main.parse", "killed"},
		{"faults --id 32", 1, "fault 32", ""},
		{"faults yours", 1, `there is no plugin "yours"`, ""},
		{"faults mine -o f.weir", 0, "fault 31 of plugin mine is in f.weir; play it to a mended build: weir plugin replay f.weir --module FIXED.wasm --mended\n", ""},
		{"faults --id 31 -o no/such/folder", 1, "write fault: open no/such/folder", ""},
		{"faults mine yours", 2, "accepts at most 1 arg", ""},
	} {
		code, out, errOut := weir(strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(out+errOut, c.says) || c.not != "" && strings.Contains(out, c.not) {
			t.Errorf("weir %s: exit %d, %q %q; want %d, %q", c.line, code, out, errOut, c.code, c.says)
		}
		if _, out, errOut := weir(append(strings.Fields(c.line), "--json")...); c.code == 0 && !json.Valid([]byte(out)) {
			t.Errorf("weir %s --json: %q %q", c.line, out, errOut)
		}
	}
	if b, err := os.ReadFile("f.weir"); err != nil || string(b) != "a recording" {
		t.Errorf("%q %v", b, err)
	}
	if st, err := os.Stat("f.weir"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
}
