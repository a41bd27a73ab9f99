package nserr

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	if !slices.IsSortedFunc(table, func(a, b Entry) int { return int(int64(a.Code) - int64(b.Code)) }) {
		t.Error("the table is not sorted")
	}
	names := map[string]bool{}
	for i, e := range table {
		if i > 0 && table[i-1].Code == e.Code || names[e.Name] {
			t.Errorf("%s %s stands twice", e.Code, e.Name)
		}
		names[e.Name] = true
		if e.Code>>16&0x0FFF != 0x000D { // FACILITY_NS of nserror.h
			t.Errorf("%s is not of the facility of media services", e.Code)
		}
		if want := map[bool]string{true: "NS_E_", false: "NS_S_"}[e.Code.IsError()]; !strings.HasPrefix(e.Name, want) {
			t.Errorf("%s is called %s", e.Code, e.Name)
		}
		for _, text := range []string{e.Meaning, e.Remedy} {
			if !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n\t") || len(text) > 200 {
				t.Errorf("%s: %q is not one sentence", e.Name, text)
			}
		}
	}
}

func TestFind(t *testing.T) {
	for _, text := range []string{"0xC00D158B", "0xc00d158b", "c00d158B", "3222082955", "-1072884341", "NS_E_PORT_IN_USE_HTTP", " ns_e_port_in_use_http "} {
		if e, ok := Find(text); !ok || e.Code != PortInUseHTTP {
			t.Errorf("%q: %v, %v", text, e.Code, ok)
		}
	}
	for _, text := range []string{"", "0x", "0", "-1", "0xC00D158B0", "NS_E_", "port", "99999999999999999999"} {
		if e, ok := Find(text); ok {
			t.Errorf("%q: %v", text, e.Code)
		}
	}
	if Code(0).String() != "" || PortInUse.String() != "0xC00D158A" {
		t.Errorf("%q, %q", Code(0), PortInUse)
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"0xC00D158B", "-1", "NS_E_TIMEOUT", "0X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, ok := Find(text); ok && e.Name == "" {
			t.Errorf("%q: an entry without a name", text)
		}
	})
}
