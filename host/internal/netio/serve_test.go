package netio

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// served gives every request to h.
func served(h http.HandlerFunc) *funcs {
	return &funcs{exchange: func(x *Exchange) {
		x.Serve(h)
		x.Serve(h) // answered: nothing
	}}
}

// TestServeFile gives a file of several slices whole, and ranges of it, in each version.
func TestServeFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("0123456789abcdef"), (3*serveSlice+1000)/16)
	write(t, name, content)
	h := served(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if r.URL.Path == "/copy" {
			io.Copy(w, f)
			return
		}
		http.ServeContent(w, r, "file", time.Time{}, f)
	})
	plain, secure := listen(t, h), listen(t, h, withTLS(t))
	for version, base := range map[string]string{
		"plain": "http://" + plain.Addrs()[0].String(), "1": "https://" + secure.Addrs()[0].String(), "2": "https://" + secure.Addrs()[0].String(),
	} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: version == "2"}
		client := &http.Client{Transport: tr, Timeout: patience}
		for _, path := range []string{"/content", "/copy"} {
			for _, first := range []int{0, 1, serveSlice, len(content) - 5} {
				r, _ := http.NewRequest("GET", base+path, nil)
				want := content
				if path == "/content" {
					r.Header.Set("Range", fmt.Sprintf("bytes=%d-", first))
					want = content[first:]
				}
				a, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(a.Body)
				if err != nil || !bytes.Equal(b, want) || (a.ProtoMajor == 2) != (version == "2") {
					t.Errorf("%s %s from %d: %d bytes of %d, %v, %s", version, path, first, len(b), len(want), err, a.Proto)
				}
			}
		}
		tr.CloseIdleConnections()
	}
}

// TestServeCutsOffThoseWhoTakeNothing: but only after WriteTimeout without progress.
func TestServeCutsOffThoseWhoTakeNothing(t *testing.T) {
	const timeout = 50 * time.Millisecond
	failed := make(chan error, 1)
	l := listen(t, served(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 1<<20)
		for {
			if _, err := w.Write(b); err != nil {
				failed <- err
				return
			}
		}
	}), func(o *Options) { o.WriteTimeout = timeout })
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if err := receive(t, failed); !isTimeout(err) {
		t.Error(err)
	}
}

// TestServeSilentUpload: a body that stops coming ends the request, a pause of the
// handler does not.
func TestServeSilentUpload(t *testing.T) {
	const timeout = 20 * time.Millisecond
	failed := make(chan error, 1)
	l := listen(t, served(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			failed <- err
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		select {
		case <-r.Context().Done():
			t.Error("the pause ended the request")
		case <-time.After(5 * timeout):
		}
	}), func(o *Options) { o.BodyTimeout = timeout })
	p := dial(t, l)
	p.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
	if r, _ := p.answer("POST"); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	p.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na")
	if err := receive(t, failed); !isTimeout(err) {
		t.Error(err)
	}
	if r, _ := p.answer("POST"); r.StatusCode != 408 || !r.Close {
		t.Errorf("%s, close %v", r.Status, r.Close)
	}
}

// TestServeClosesSilentBody: what net/http still wants of a body that the handler closes does not hold the request.
func TestServeClosesSilentBody(t *testing.T) {
	l := listen(t, served(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}), func(o *Options) { o.BodyTimeout = 20 * time.Millisecond })
	p := dial(t, l)
	p.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\na")
	if r, _ := p.answer("POST"); !r.Close {
		t.Errorf("%s, and the connection stays", r.Status)
	}
	if _, err := p.ended(); err != nil {
		t.Error(err)
	}
}

// TestServeLateAnswer: a body that was read and closed sets no bound on the answer.
func TestServeLateAnswer(t *testing.T) {
	const timeout = 20 * time.Millisecond
	l := listen(t, served(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		select {
		case <-r.Context().Done():
			t.Error("the pause ended the request")
		case <-time.After(5 * timeout):
		}
	}), func(o *Options) { o.BodyTimeout = timeout })
	p := dial(t, l)
	p.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
	if r, _ := p.answer("POST"); r.StatusCode != 200 {
		t.Error(r.Status)
	}
}
