package host_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
)

// TestDrain: whoever asks for the status while the server drains gets it, and does not
// keep the server from ending; an encoder is told that the server goes down.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, `
listeners:
  web: {address: "127.0.0.1:0"}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
points:
  live: {source: push}
`)
	encoder, err := net.Dial("tcp", s.Addr("web"))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	fmt.Fprint(encoder, "POST /live HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err = encoder.Write(sample.Demo()[:64<<10]); err != nil {
		t.Fatal(err)
	}
	s.WaitPoint("live", "live")

	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", strings.TrimPrefix(s.Admin(), "unix:"))
	}}}
	defer client.CloseIdleConnections()
	asked, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for n := 0; ; n++ {
			ready, failed := client.Get("http://localhost/readyz")
			if failed != nil {
				return // the admin API has closed
			}
			ready.Body.Close()
			if n == 10 {
				close(asked)
			}
		}
	}()
	<-asked
	s.Close()
	<-over
	answer, err := http.ReadResponse(bufio.NewReader(encoder), nil)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the encoder read %v, %v; want 503", answer, err)
	}
}
