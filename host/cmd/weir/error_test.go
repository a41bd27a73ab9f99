package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestError(t *testing.T) {
	_, out, _ := weir("error", "--help")
	golden(t, "help_error.golden", out)
	code, out, errOut := weir("error", "0xC00D158B")
	if code != 0 || errOut != "" {
		t.Errorf("exit %d, %q", code, errOut)
	}
	golden(t, "error.golden", out)
	for _, same := range [][]string{{"error", "ns_e_port_in_use_http"}, {"error", "--", "-1072884341"}, {"error", "-1072884341"}, {"error", "3222082955"}} {
		if _, again, _ := weir(same...); again != out {
			t.Errorf("%q: %q", same, again)
		}
	}
	if code, _, errOut := weir("error", "12"); code != 1 || !strings.Contains(errOut, "weir does not know it") {
		t.Errorf("unknown: exit %d, %q", code, errOut)
	}
	if code, _, _ := weir("error", "1", "2"); code != 2 {
		t.Errorf("two codes: exit %d", code)
	}
	_, out, _ = weir("error")
	golden(t, "errors.golden", out)
}

func TestErrorJSON(t *testing.T) {
	var one explanation
	_, out, _ := weir("error", "C00D158B", "--json")
	if err := json.Unmarshal([]byte(out), &one); err != nil || one.Name != "NS_E_PORT_IN_USE_HTTP" || one.Remedy == "" {
		t.Errorf("%q, %v", out, err)
	}
	var all []explanation
	_, out, _ = weir("error", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) < 30 {
		t.Errorf("%d entries, %v", len(all), err)
	}
}
