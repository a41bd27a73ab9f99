//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// certify makes a certificate for 127.0.0.1 that signs itself, and its key, in PEM.
func certify(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(crand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// replace puts files in the place of others as an administrator's tool does: each is whole at all times.
func replace(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		fresh := filepath.Join(dir, name+".new")
		err := os.WriteFile(fresh, content, 0o600)
		if err == nil {
			err = os.Rename(fresh, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS: documents by HTTP/2, files and live streams by HTTPS, and a certificate that is replaced while somebody watches.
func TestTLS(t *testing.T) {
	t.Parallel()
	for _, p := range []program{ffmpeg, curl, openssl} {
		p.need(t)
	}
	folder, film := t.TempDir(), noise(fileBytes)
	if err := os.WriteFile(filepath.Join(folder, "film.bin"), film, 0o644); err != nil {
		t.Fatal(err)
	}
	cert, key := certify(t, "the first")
	config := strings.Replace(plugins, "\nplugins:", `
  safe: {address: "127.0.0.1:0", tls: {cert: cert.pem, key: key.pem}, fallback: {files: "`+folder+`"}}
plugins:`, 1)
	config = strings.ReplaceAll(config, "listeners: [web]", "listeners: [web, safe]")
	s := server{hosttest.Start(t, config+"  live: {source: push}\n", hosttest.WithFile("cert.pem", cert), hosttest.WithFile("key.pem", key))}
	s.push(t, "live", h264+ts)
	live := s.URL("safe", "https", "/live.ts")
	viewer := ffmpeg.start(t, progress, "-tls_verify 0 -i", live, "-f null -")
	viewer.waitFrames(1)

	trust := filepath.Join(s.Dir(), "cert.pem")
	const which = "-sS -i -w HTTP/%{http_version}=%{http_code}"
	curl.run(t, which, "--http2 --cacert", trust, s.URL("safe", "https", "/live.asx")).succeeded().says("HTTP/2=200").says("<asx version")
	curl.run(t, which, "--http1.1 --cacert", trust, s.URL("safe", "https", "/live.asx")).succeeded().says("HTTP/1.1=200").says("<asx version")
	for _, version := range []string{"--http2", "--http1.1"} {
		file := filepath.Join(t.TempDir(), "film")
		curl.run(t, "-sS -D -", version, "-r 1000-1999999 --cacert", trust, "-o", file, s.URL("safe", "https", "/film.bin")).succeeded().says(" 206")
		same(t, version, file, film[1000:2_000_000])
	}
	stream := curl.start(t, "-sS -N --cacert", trust, live)
	hosttest.Eventually(t, "bytes over HTTPS", func() bool { return len(stream.out.bytes()) > wanted*188 || stream.ended() })
	if b := stream.out.bytes(); len(b) <= wanted*188 || b[0] != 0x47 { // ISO 13818-1 2.4.3.2
		t.Errorf("curl got %d bytes over HTTPS, % x…", len(b), b[:min(4, len(b))])
	}
	curl.run(t, "-sS -i", s.URL("safe", "http", "/live.asx")).failedOrSays("400") // plain HTTP where TLS is spoken

	s.renewed(t)
	viewer.waitFrames(enough)
	viewer.undamaged()
	if stream.ended() {
		t.Errorf("curl's stream ended with %v", stream.err)
	}
}

// renewed replaces the certificate: new handshakes get the new one, which only those who trust it take.
func (s server) renewed(t *testing.T) {
	t.Helper()
	if got := s.shown(t); got != "the first" {
		t.Errorf("openssl is shown the certificate %q", got)
	}
	cert, key := certify(t, "the second")
	replace(t, s.Dir(), map[string][]byte{"cert.pem": cert, "key.pem": key})
	hosttest.Eventually(t, "the second certificate is shown", func() bool { return s.shown(t) == "the second" })
	curl.run(t, "-sS -f --cacert", filepath.Join(s.Dir(), "cert.pem"), s.URL("safe", "https", "/live.asx")).succeeded().says("<asx version")

	// A pair that does not fit, or no certificate at all, changes nothing.
	other, _ := certify(t, "the third")
	replace(t, s.Dir(), map[string][]byte{"cert.pem": other})
	replace(t, s.Dir(), map[string][]byte{"key.pem": []byte("oops")})
	s.Wait("the log tells of the bad pair", func() bool {
		if got := s.shown(t); got != "the second" {
			t.Fatalf("with a bad pair openssl is shown the certificate %q", got)
		}
		return strings.Contains(s.Log(), "key.pem")
	})
}

// shown is the name in the certificate that openssl is shown.
func (s server) shown(t *testing.T) string {
	t.Helper()
	line := openssl.name + " s_client -connect " + s.Addr("safe") + " </dev/null 2>/dev/null | " + openssl.name + " x509 -noout -subject -nameopt multiline"
	c := startCommand(t, exec.Command("sh", "-c", line)).wait()
	_, name, _ := strings.Cut(c.out.String(), "commonName                = ")
	return strings.TrimSpace(name)
}

// failedOrSays asserts that the client was refused: by its own error, or by an answer.
func (c *process) failedOrSays(text string) {
	c.t.Helper()
	if c.err == nil {
		c.says(text)
	}
}
