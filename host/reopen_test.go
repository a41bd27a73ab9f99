package host_test

import (
	"net"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

// TestEnableInPart: of two listeners whose ports were taken, one is free again. Enabling
// the plugin says what still stands in the way, and the free one is served.
func TestEnableInPart(t *testing.T) {
	var taken [2]net.Listener
	for i := range taken {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken[i] = l
	}
	one, two := taken[0].Addr().String(), taken[1].Addr().String()
	s := hosttest.Start(t, strings.NewReplacer("ONE", one, "TWO", two).Replace(`
listeners:
  one: {address: "ONE"}
  two: {address: "TWO"}
plugins:
  http: {module: "builtin:http", listeners: [one, two], grant: {attach: ["*"]}}
points:
  live: {source: push}
`))
	for _, l := range s.Status().Listeners {
		if l.State != "failed" { // steer: auto takes nothing from who is bound to exactly the address
			t.Errorf("%+v", l)
		}
	}
	taken[0].Close()
	if err := s.Enable("http"); err == nil || !strings.Contains(err.Error(), two) {
		t.Errorf("enable: %v", err)
	}
	if status, _ := fetch(t, "http://"+one+"/live"); status != 503 {
		t.Errorf("the listener that is free again: %d", status)
	}
}
