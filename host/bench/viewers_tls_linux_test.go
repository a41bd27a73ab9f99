package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestTLSViewers: those who do not decrypt count what a server sends all the same.
func TestTLSViewers(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1000)); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			<-tick.C
		}
	}))
	defer s.Close()
	defer s.CloseClientConnections()
	var out bytes.Buffer
	if err := viewersTLS([]string{"-n", "5", "-w", "0.1", "-d", "0.5", s.URL + "/live"}, &out); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Joined != 5 || r.Live != 5 || r.MB < 0.01 || r.Gap.Max < 1 || r.FirstByte.Max <= 0 {
		t.Errorf("%v: %s", err, out.Bytes())
	}
	if err := viewersTLS([]string{"-n", "1", "http://127.0.0.1:1/"}, &out); err == nil {
		t.Error("viewers without TLS")
	}
}
