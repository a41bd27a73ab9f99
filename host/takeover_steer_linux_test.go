package host_test

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// TestTakeOverSteered: addresses that come by steering go over to the next server without a connection refused. They are of the loopback network, and of
// ports that nobody listens on there.
func TestTakeOverSteered(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("steering needs root")
	}
	yaml := strings.Replace(broadcastYAML, `{web: {address: "127.0.0.1:0"}}`,
		`{web: {address: "127.0.0.1:0"}, wide: {addresses: ["127.7.9.0/24"], ports: ["21000-21010"]}}`, 1)
	yaml = strings.ReplaceAll(yaml, "listeners: [web]", "listeners: [web, wide]")
	s := hosttest.Start(t, yaml)
	b := air(t, s, 1)
	quit, asked, failed := make(chan struct{}), 0, []error{}
	var asking sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	asking.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			resp, err := client.Get("http://127.7.9.3:21005/nothing")
			if err == nil {
				resp.Body.Close()
			} else {
				failed = append(failed, err)
			}
			asked++
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	})
	for range 3 {
		b.s = b.s.TakeOver()
		b.attach(1)
	}
	close(quit)
	asking.Wait()
	if len(failed) > 0 {
		t.Errorf("of %d requests %d failed, the first: %v", asked, len(failed), failed[0])
	}
	// A process that dies with the table in its hands leaves it to the one before.
	x := succeed(t, b.s)
	x.greet()
	x.commit("web")
	x.die()
	b.s.Wait("the server goes on", func() bool { return strings.Contains(b.s.Log(), "the take-over has failed") })
	if resp, err := client.Get("http://127.7.9.3:21005/nothing"); err != nil {
		t.Errorf("after a take-over that failed: %v", err)
	} else {
		resp.Body.Close()
	}
	b.whole()
}
