package netio

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a self-signed certificate and its key and gives the files' names.
func certificate(t testing.TB, dir, name string, expires time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: expires, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return cert, key
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// withTLS makes a listener speak TLS.
func withTLS(t testing.TB) func(*Options) {
	t.Helper()
	cert, key := certificate(t, t.TempDir(), "first", time.Now().Add(time.Hour))
	s, err := OpenTLS(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Options) { o.TLS = s }
}

// dialTLS gives a connection whose handshake is done.
func dialTLS(t testing.TB, l *Listener, protocols ...string) *tls.Conn {
	t.Helper()
	c := tls.Client(dial(t, l).TCPConn, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpenTLSErrors(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	cert, key := certificate(t, dir, "a", time.Now().Add(time.Hour))
	_, foreign := certificate(t, other, "b", time.Now().Add(time.Hour))
	text := filepath.Join(dir, "text")
	write(t, text, []byte("hello\n"))
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil)
	broken := filepath.Join(dir, "broken")
	write(t, broken, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1, 2, 3}}))
	for _, c := range []struct{ cert, key, want string }{
		{cert, foreign, "key file " + foreign + ", for the certificate in " + cert + ": tls: private key does not match public key"},
		{filepath.Join(dir, "none"), key, "certificate file " + filepath.Join(dir, "none") + ": no such file"},
		{cert, filepath.Join(dir, "none"), "key file " + filepath.Join(dir, "none") + ": no such file"},
		{text, key, "certificate file " + text + ": holds no certificate in PEM, but other text"},
		{empty, key, "certificate file " + empty + ": holds no certificate in PEM"},
		{broken, key, "certificate file " + broken + ": certificate 1: "},
		{cert, cert, "key file " + cert},
		{dir, key, "certificate file " + dir + ": is no regular file"},
	} {
		_, err := OpenTLS(c.cert, c.key, nil)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s…", err, c.want)
		}
	}
}

func TestExpiredCertificateIsWarnedOf(t *testing.T) {
	var log lockedBuffer
	cert, key := certificate(t, t.TempDir(), "old", time.Now().Add(-time.Hour))
	if _, err := OpenTLS(cert, key, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "expired") {
		t.Errorf("log %q", log.String())
	}
}

// TestCertificateIsReadAgain: a new file is used by the next handshake, a broken one is
// logged once and the old one stays, and a connection that is there goes on.
func TestCertificateIsReadAgain(t *testing.T) {
	var log lockedBuffer
	dir := t.TempDir()
	cert, key := certificate(t, dir, "first", time.Now().Add(time.Hour))
	s, err := OpenTLS(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.now = func() time.Time { return now }
	l := listen(t, &funcs{exchange: func(x *Exchange) { x.Respond(204, nil, nil, false) }}, func(o *Options) { o.TLS = s })
	name := func() string {
		t.Helper()
		now = now.Add(2 * certificateCheck)
		c := dialTLS(t, l)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	old := dialTLS(t, l)
	if got := name(); got != "first" {
		t.Fatal(got)
	}
	certificate(t, dir, "second", time.Now().Add(time.Hour))
	if got := name(); got != "second" {
		t.Errorf("after the change: %s", got)
	}
	write(t, cert, []byte("broken"))
	for range 3 {
		if got := name(); got != "second" {
			t.Errorf("with a broken file: %s", got)
		}
	}
	if n := strings.Count(log.String(), "unusable"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	os.Remove(key)
	if got := name(); got != "second" {
		t.Errorf("with a missing file: %s", got)
	}
	certificate(t, dir, "third", time.Now().Add(time.Hour))
	if got := name(); got != "third" {
		t.Errorf("mended: %s", got)
	}
	if _, err := old.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 12)
	if _, err := old.Read(b); err != nil || !bytes.Equal(b, []byte("HTTP/1.0 204")) {
		t.Errorf("old connection: %q %v", b, err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	l := listen(t, &funcs{}, withTLS(t))
	c := tls.Client(dial(t, l).TCPConn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if c.Handshake() == nil {
		t.Error("TLS 1.1 accepted")
	}
	eventually(t, "tls_handshake", func() bool { return l.Stats().Sniffed[OutcomeHandshake] == 1 })
}

func TestPlainOnTLSPort(t *testing.T) {
	l := listen(t, &funcs{}, withTLS(t), func(o *Options) { o.SniffTimeout = time.Second })
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if r, body := p.answer("GET"); r.StatusCode != 400 || body != "this port speaks TLS\r\n" {
		t.Errorf("got %d %q", r.StatusCode, body)
	}
	p = dial(t, l)
	p.say("\x01\x00\x00\x00\xCE\xFA\x0B\xB0")
	if got, _ := p.ended(); got != "" {
		t.Errorf("got %q", got)
	}
	eventually(t, "plain_on_tls", func() bool { return l.Stats().Sniffed[OutcomePlain] == 2 })
	p = dial(t, l)
	p.CloseWrite()
	eventually(t, "peer_closed", func() bool { return l.Stats().Sniffed[OutcomePeerClosed] == 1 })
}

func TestSilentTLSClientTimesOut(t *testing.T) {
	l := listen(t, &funcs{}, withTLS(t), func(o *Options) { o.SniffTimeout = 20 * time.Millisecond })
	dial(t, l).ended()
	p := dial(t, l)
	p.say("\x16\x03\x01\x02\x00\x01")
	p.ended()
	eventually(t, "two timeouts", func() bool { return l.Stats().Sniffed[OutcomeTimeout] == 2 })
	l = listen(t, &funcs{}, withTLS(t), func(o *Options) { o.SniffTimeout = time.Second }) // for a handshake on a machine that is busy
	c := dialTLS(t, l)
	_, _ = c.Read(make([]byte, 1))
	eventually(t, "a third", func() bool { return l.Stats().Sniffed[OutcomeTimeout] == 1 })
}
