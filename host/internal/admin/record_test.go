package admin

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRecordAPI(t *testing.T) {
	h := NewHandler(&fakeServer{}, nil)
	for _, c := range []struct {
		request string
		status  int
		has     string
	}{
		{"POST /v1/plugins/wmsp/record", 200, "wmsp for 10s, 0 bytes"},
		{"GET /v1/plugins/wmsp/record?for=1m30s&bytes=4096", 200, "wmsp for 1m30s, 4096 bytes"},
		{"POST /v1/plugins/other/record", 404, `plugin \"other\"`},
		{"POST /v1/plugins/wmsp/record?for=never", 400, "write for=10s"},
		{"POST /v1/plugins/wmsp/record?for=-1s", 400, "no time between"},
		{"POST /v1/plugins/wmsp/record?for=2h", 400, "no time between"},
		{"POST /v1/plugins/wmsp/record?bytes=0", 400, "no number between"},
		{"DELETE /v1/plugins/wmsp/record", 405, "takes GET and POST"},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s: %d %q; want %d with %q", c.request, w.Code, w.Body, c.status, c.has)
		}
		if got := w.Header().Get("Content-Type"); c.status == 200 && got != recordType {
			t.Errorf("%s: type %q", c.request, got)
		}
	}
}

func TestClientRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	mustOpen(t, Options{Socket: path, Backend: &fakeServer{}})
	c, err := NewClient("unix:"+path, "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	n, err := c.RecordPlugin(t.Context(), "wmsp", Recording{For: time.Second, Bytes: 7}, &b)
	if err != nil || b.String() != "wmsp for 1s, 7 bytes" || n != int64(b.Len()) {
		t.Errorf("%q, %d, %v", b.String(), n, err)
	}
	if _, err = c.RecordPlugin(t.Context(), "other", Recording{For: time.Second}, &b); err == nil || !strings.Contains(err.Error(), `plugin "other"`) {
		t.Errorf("%v", err)
	}
}
