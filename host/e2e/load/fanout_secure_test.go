//go:build linux

package load_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/e2e/child"
)

// pageOfBrowser is a document that has the browser fetch an announcement and show it, and how both came.
const pageOfBrowser = `<!doctype html><title>weir</title><pre id=to></pre><script>
var x = new XMLHttpRequest(); x.open("GET", "/live.asx", false); x.send();
document.getElementById("to").textContent = "by " + performance.getEntriesByType("navigation")[0].nextHopProtocol + ", " + x.status + " " +
	x.getResponseHeader("content-type") + "\n" + x.responseText;
</script>`

// TestSecureViewers: many viewers over TLS, some of them as streams of one HTTP/2 connection, get every byte; an announcement comes by HTTP/2 to Go's
// client, to curl and to Chromium.
func TestSecureViewers(t *testing.T) {
	const lead = 3 * time.Second
	plain, multiplexed, length := 80, 20, scale(3*time.Second, time.Minute)
	x := &arena{t: t, at: freeAddress(t), dir: shortFolder(t)}
	safe := freeAddress(t)
	cert, key, pool := certified(t)
	public := t.TempDir()
	write(t, filepath.Join(public, "page.html"), []byte(pageOfBrowser))
	x.launch([]string{"live: {source: push, buffer: 10s, grace: 0s}", "ts: {source: push, buffer: 10s, grace: 0s}"},
		[]string{fmt.Sprintf("safe: {address: %q, tls: {cert: cert.pem, key: key.pem}, fallback: {files: %q}}", safe, public)},
		map[string][]byte{"cert.pem": cert, "key.pem": key})
	windows, transport := asfFilm(t, 0, lead+length+slack, megabit), tsFilm(lead+length+slack, megabit)
	encoders := []*encoder{push(t, x.at, "live", windows, true, lead), push(t, x.at, "ts", transport, false, lead)}
	x.has("live", "mmsh", int(lead/windows.step)-1)
	x.has("ts", "mpegts", int(lead/transport.step)/framePackets-1)

	forms := []*form{windows.overHTTP("live"), windows.overMMSH("live"), transport.overTS("ts")}
	s := &secure{at: safe, tls: &tls.Config{RootCAs: pool, ServerName: "weir.test"}}
	defer s.close(t)
	s.watch(t, sit(plain, habit{}, forms...), s.overTLS)
	two := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls.Clone(), ForceAttemptHTTP2: true}}
	defer two.CloseIdleConnections()
	s.watch(t, sit(multiplexed, habit{}, forms[0], forms[2]), func(x *seat) error { return s.overHTTP2(two, x) })

	s.documents(t, two, x.dir)
	s.wait(t, "have watched for long enough", func(x *seat) bool {
		return x.at-x.first >= len(x.form.units)/x.form.unit*int(length)/int(lead+length+slack)
	})
	last := map[*form]int{forms[2]: encoders[1].finish()}
	last[forms[0]] = encoders[0].finish()
	last[forms[1]] = last[forms[0]]
	s.wait(t, "have everything", func(x *seat) bool { return x.at == last[x.form] && x.closed })
	x.sound()
}

// certified makes a certificate for weir.test that signs itself, its key, and the pool of those who trust it.
func certified(t *testing.T) (cert, key []byte, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "weir.test"}, DNSNames: []string{"weir.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return cert, key, pool
}

// secure is an audience behind TLS: a goroutine for each viewer.
type secure struct {
	at  string
	tls *tls.Config
	all sync.WaitGroup

	mu    sync.Mutex // over all below, and over the seats
	seats []*seat
	conns []io.Closer
	over  bool
}

// watch has viewers watch by a way of asking and reading.
func (s *secure) watch(t *testing.T, seats []*seat, by func(*seat) error) {
	t.Helper()
	s.mu.Lock()
	s.seats = append(s.seats, seats...)
	s.mu.Unlock()
	for _, x := range seats {
		s.all.Go(func() {
			err := by(x)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil && !s.over {
				x.fail("%w", err)
			}
			x.closed = true
		})
	}
	s.wait(t, "watch", func(x *seat) bool { return x.first >= 0 })
}

// overTLS watches by HTTP/1.1 over a connection of its own.
func (s *secure) overTLS(x *seat) error {
	conn, err := tls.Dial("tcp", s.at, s.tls)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, x.form.request); err != nil {
		return err
	}
	return s.read(x, conn)
}

// overHTTP2 watches by a stream of the client's connection.
func (s *secure) overHTTP2(c *http.Client, x *seat) error {
	path := strings.Fields(x.form.request)[1]
	r, err := c.Get("https://" + s.at + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.ProtoMajor != 2 || r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", path, r.Proto, r.Status)
	}
	s.mu.Lock()
	x.phase = beginning
	s.mu.Unlock()
	return s.read(x, r.Body)
}

func (s *secure) read(x *seat, from io.ReadCloser) error {
	s.mu.Lock()
	s.conns = append(s.conns, from)
	s.mu.Unlock()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		s.mu.Lock()
		x.take(buf[:n])
		wrong := x.wrong
		s.mu.Unlock()
		switch {
		case wrong != nil || errors.Is(err, io.EOF):
			return wrong
		case err != nil:
			return err
		}
	}
}

// wait polls until ok is true of all seats.
func (s *secure) wait(t *testing.T, what string, ok func(*seat) bool) {
	t.Helper()
	within(t, "viewers over TLS "+what, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, x := range s.seats {
			if x.wrong != nil {
				t.Fatalf("viewer %d: %v", i, x.wrong)
			}
			if !ok(x) {
				return false
			}
		}
		return true
	})
}

func (s *secure) close(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	s.over = true
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

// documents fetches the announcement by HTTP/2 in several ways.
func (s *secure) documents(t *testing.T, c *http.Client, dir string) {
	t.Helper()
	url := "https://" + s.at + "/live.asx"
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil || r.ProtoMajor != 2 || !strings.Contains(string(b), "<asx") {
		t.Errorf("the announcement: %s %s %q, %v", r.Proto, r.Status, b, err)
	}
	t.Run("curl", func(t *testing.T) {
		child.Need(t, "curl")
		out, log, code := child.Run(t, exec.Command("curl", "-sS", "--http2", "--cacert", filepath.Join(dir, "cert.pem"),
			"-w", "\nHTTP/%{http_version}=%{http_code}", url))
		if code != 0 || !strings.HasPrefix(out, string(b)) || !strings.HasSuffix(out, "HTTP/2=200") {
			t.Errorf("curl: %d\n%s\n%s", code, out, log)
		}
	})
	t.Run("chromium", func(t *testing.T) {
		out, log, code := child.Run(t, exec.Command(browser(t), "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
			"--user-data-dir="+t.TempDir(), "--dump-dom", "https://"+s.at+"/page.html"))
		if code != 0 || !strings.Contains(out, "by h2, 200 ") || !strings.Contains(strings.ToLower(out), "&lt;asx version") {
			t.Errorf("chromium: %d\n%s\n%s", code, out, log)
		}
	})
}

// browser is a Chromium that draws nothing.
func browser(t *testing.T) string {
	t.Helper()
	const first = "chromium-headless-shell"
	for _, name := range []string{first, "chromium", "chromium-browser", "google-chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	child.Need(t, first)
	return first
}
