//go:build linux

package load_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a web server that keeps what it is asked.
type recorder struct {
	listener net.Listener
	mu       sync.Mutex
	asked    []string // method, target and fields that govern the body, of each request
	strange  []error  // what could not be read as a request
	all      sync.WaitGroup
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{listener: l}
	r.all.Go(r.loop)
	t.Cleanup(func() { _ = l.Close() })
	return r
}

func (r *recorder) address() string { return r.listener.Addr().String() }

// loop owns the listener; connections end with the server that opened them.
func (r *recorder) loop() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.serve(c)
	}
}

func (r *recorder) serve(c net.Conn) {
	defer c.Close()
	for b := bufio.NewReader(c); ; {
		q, err := http.ReadRequest(b)
		if err == nil {
			_, err = io.Copy(io.Discard, q.Body)
		}
		r.note(q, err)
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Type: text/plain\r\n\r\nrecorded\n"); err != nil {
			return
		}
	}
}

func (r *recorder) note(q *http.Request, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !errors.Is(err, io.EOF) {
		r.strange = append(r.strange, err)
	}
	if q != nil {
		r.asked = append(r.asked, fmt.Sprintf("%s %s %v %v", q.Method, q.RequestURI, q.Header["Content-Length"], q.TransferEncoding))
	}
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// saw gives what was asked since the last call.
func (r *recorder) saw() (asked []string, strange []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked, strange, r.asked, r.strange = r.asked, r.strange, nil, nil
	return asked, strange
}

// hidden is the request that must not get through: to weir it is part of another's body, or follows something that ends the connection.
const hidden = "GET /smuggled HTTP/1.1\r\nHost: weir.test\r\n\r\n"

// smuggled are requests of which weir and a web server behind it could disagree where they end (RFC 9112 6.1, 6.3, 11.2).
func smuggled() map[string]string {
	post := func(fields, body string) string {
		return "POST /first HTTP/1.1\r\nHost: weir.test\r\n" + fields + "\r\n" + body
	}
	chunks, size := "Transfer-Encoding: chunked\r\n", fmt.Sprintf("Content-Length: %d\r\n", len("0\r\n\r\n"+hidden))
	inside := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden)
	all := map[string]string{
		"length, then chunked":       post(size+chunks, "0\r\n\r\n"+hidden),
		"chunked, then length":       post(chunks+"Content-Length: 4\r\n", inside),
		"two lengths":                post("Content-Length: 0\r\n"+size, "0\r\n\r\n"+hidden),
		"two lengths in a list":      post("Content-Length: 0, 48\r\n", hidden),
		"length with a sign":         post("Content-Length: +0\r\n", hidden),
		"length in hexadecimal":      post("Content-Length: 0x0\r\n", hidden),
		"length below nothing":       post("Content-Length: -1\r\n", hidden),
		"length with a blank inside": post("Content-Length: 0 0\r\n", hidden),
		"length without digits":      post("Content-Length: \r\n", hidden),
		"blank before the colon":     post("Transfer-Encoding : chunked\r\n"+size, "0\r\n\r\n"+hidden),
		"folded field":               post("Transfer-Encoding:\r\n chunked\r\n"+size, "0\r\n\r\n"+hidden),
		"field behind a fold":        post("X: y\r\n "+chunks+size, "0\r\n\r\n"+hidden),
		"field in a bare newline":    post("X: y\n"+chunks+size, "0\r\n\r\n"+hidden),
		"field in a bare return":     post("X: y\r"+chunks+size, "0\r\n\r\n"+hidden),
		"coding that is none":        post("Transfer-Encoding: xchunked\r\n"+size, "0\r\n\r\n"+hidden),
		"coding in quotes":           post("Transfer-Encoding: \"chunked\"\r\n"+size, "0\r\n\r\n"+hidden),
		"chunked, then identity":     post("Transfer-Encoding: chunked, identity\r\n"+size, "0\r\n\r\n"+hidden),
		"chunked twice":              post(chunks+chunks+size, "0\r\n\r\n"+hidden),
		"chunked and another":        post(chunks+"Transfer-Encoding: x\r\n"+size, "0\r\n\r\n"+hidden),
		"coding behind a tab":        post("Transfer-Encoding:\tchunked\x0b\r\n"+size, "0\r\n\r\n"+hidden),
		"name with a NUL":            post("Transfer-Encoding\x00: chunked\r\n"+size, "0\r\n\r\n"+hidden),
		"length hidden by hops":      post("Connection: close, Content-Length\r\n"+size+chunks, "0\r\n\r\n"+hidden),
		"chunked in HTTP/1.0":        strings.Replace(post(chunks+size, "0\r\n\r\n"+hidden), "HTTP/1.1", "HTTP/1.0", 1),
		"chunk size with a sign":     post(chunks, "+0\r\n\r\n"+hidden),
		"chunk size with 0x":         post(chunks, "0x0\r\n\r\n"+hidden),
		"chunk size that overflows":  post(chunks, "10000000000000000\r\n\r\n"+hidden),
		"chunk ends early":           post(chunks, "5\r\nabc\r\n0\r\n\r\n"+hidden),
		"chunk line in a newline":    post(chunks, "0;x\n\r\n\r\n"+hidden),
		"two requests in the target": "GET /first%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: weir.test\r\nConnection: close\r\n\r\n",
		"blank in the target":        "GET /first HTTP/1.1 GET /smuggled HTTP/1.1\r\nHost: weir.test\r\n\r\n",
		"two hosts":                  "GET /first HTTP/1.1\r\nHost: weir.test\r\nHost: other\r\n\r\n",
	}
	return all
}

// smuggling: whatever is disputable, the upstream server never sees the second request, and what it sees is sound.
func (x *fortress) smuggling(t *testing.T) {
	plain := "GET /first HTTP/1.1\r\nHost: weir.test\r\n\r\nPOST /second HTTP/1.1\r\nHost: weir.test\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
	if _, err := x.talk([]byte(plain), waiting); err != nil {
		t.Error(err)
	}
	if asked, strange := x.upstream.saw(); len(asked) != 2 || len(strange) > 0 {
		t.Fatalf("of two sound requests the upstream server saw %q (%v)", asked, strange)
	}
	all := smuggled()
	for _, what := range slices.Sorted(maps.Keys(all)) {
		answer, err := x.talk([]byte(all[what]), finished)
		if err == nil {
			_, err = responses(answer)
		}
		asked, strange := x.upstream.saw()
		t.Logf("%s: upstream saw %q (%v); answer %.40q", what, asked, strange, answer)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, a := range asked {
			if strings.Contains(a, " /smuggled ") || strings.Contains(a, "[chunked]") && strings.Contains(a, "[0") {
				t.Errorf("%s: the upstream server was asked %q", what, a)
			}
		}
		for _, e := range strange {
			if !errors.Is(e, io.ErrUnexpectedEOF) { // a body that broke off is no request
				t.Errorf("%s: the upstream server got what is no request: %v", what, e)
			}
		}
	}
	x.tunnels(t)
}

// tunnels: a server that does not switch protocols leaves no open line to itself. What follows is weir's to judge, and belongs to a plugin.
func (x *fortress) tunnels(t *testing.T) {
	t.Helper()
	const own = "GET /live.asx?smuggled HTTP/1.1\r\nHost: weir.test\r\nConnection: close\r\n\r\n"
	for what, fields := range map[string]string{
		"websocket":        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
		"h2c":              "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
		"CONNECT":          "",
		"continue":         "Expect: 100-continue\r\nContent-Length: 0\r\n",
		"no such protocol": "Connection: Upgrade\r\nUpgrade: x\r\n",
	} {
		request := "GET /first HTTP/1.1\r\nHost: weir.test\r\n"
		if what == "CONNECT" {
			request = "CONNECT " + x.upstream.address() + " HTTP/1.1\r\nHost: weir.test\r\n"
		}
		if _, err := x.talk([]byte(request+fields+"\r\n"+own), finished); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		asked, strange := x.upstream.saw()
		t.Logf("%s: upstream saw %q (%v)", what, asked, strange)
		if text := fmt.Sprint(asked, strange); strings.Contains(text, "smuggled") || len(asked) > 1 {
			t.Errorf("%s: the upstream server saw %s", what, text)
		}
	}
}

// secret stands in files that are not in the folder.
const secret = "nobody may read this"

// lay makes the folder that is served, and what is around it.
func (x *fortress) lay(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"public/inner", "outside"} {
		if err := os.MkdirAll(filepath.Join(x.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(x.dir, "outside/secret.txt"), []byte(secret))
	write(t, filepath.Join(x.dir, "secret.txt"), []byte(secret))
	write(t, filepath.Join(x.dir, "public/open.txt"), []byte("all may read this"))
	for name, to := range map[string]string{"link": "../outside/secret.txt", "folder": "../outside", "absolute": filepath.Join(x.dir, "secret.txt"), "up": ".."} {
		if err := os.Symlink(to, filepath.Join(x.dir, "public", name)); err != nil {
			t.Fatal(err)
		}
	}
}

// traversal: no spelling of a path leads out of the folder.
func (x *fortress) traversal(t *testing.T) {
	to := &siege{at: x.files}
	ask := func(target string) []byte {
		answer, err := to.talk([]byte("GET "+target+" HTTP/1.1\r\nHost: weir.test\r\nConnection: close\r\n\r\n"), waiting)
		if err == nil {
			_, err = responses(answer)
		}
		if err != nil {
			t.Errorf("%q: %v", target, err)
		}
		return answer
	}
	if answer := ask("/open.txt"); !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") || !strings.Contains(string(answer), "all may read this") {
		t.Fatalf("the file that all may read: %.200q", answer)
	}
	ups := []string{
		"..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "..;",
		"..%00", "....", ". .", "..%20", "..%09", "%2e%2e%5c",
		"inner/../..", "./..", "open.txt/..", "open.txt/../..", "up", "up/..",
	}
	slashes := []string{"/", "//", "%2f", "%2F", "%5c", "\\", "%252f", "%c0%af", "%e0%80%af", "%ef%bc%8f"}
	targets := []string{
		"/link", "/folder/secret.txt", "/absolute", "/up/secret.txt", "/link%00.txt", "/open.txt%00/../../secret.txt", "/" + x.dir + "/secret.txt",
		"//" + x.dir + "/secret.txt", "/%2f" + x.dir + "/secret.txt", "http://weir.test/../secret.txt", "file://" + x.dir + "/secret.txt",
		"/proc/self/environ", "/../../../../../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
	}
	for _, up := range ups {
		for _, s := range slashes {
			for _, file := range []string{"secret.txt", "outside" + s + "secret.txt", "plugins.yaml"} {
				targets = append(targets, "/"+up+s+file, "/inner"+s+up+s+up+s+file, s+up+s+file)
			}
		}
	}
	began := time.Now()
	for _, target := range targets {
		answer := string(ask(target))
		if strings.HasPrefix(answer, "HTTP/1.1 200 ") || strings.Contains(answer, secret) ||
			strings.Contains(answer, "root:") || strings.Contains(answer, "cache_dir") {
			t.Errorf("%q is answered %.200q", target, answer)
		}
	}
	t.Logf("%d spellings in %v", len(targets), time.Since(began).Round(time.Millisecond))
}
