package netio

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// certificateCheck is how often the certificate's files are looked at, at most: chosen.
const certificateCheck = time.Second

// maxCertificateBytes bounds a certificate or key file: chosen, far above any chain.
const maxCertificateBytes = 1 << 20

// TLS is the certificate of one or more listeners, read again when its files change:
// handshakes that come later get the new one, connections that are there go on. Files
// that cannot be used leave the certificate that is in use, and are logged once. All
// methods are safe for concurrent use; there is nothing to close.
type TLS struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	config  *tls.Config // chooses one of the two below, by the client's ALPN
	web     *tls.Config // h2 and http/1.1
	other   *tls.Config // no ALPN
	current atomic.Pointer[tls.Certificate]

	mu      sync.Mutex // of what follows: one handshake checks at a time
	checked time.Time
	seen    [2]fileStamp // what the files were when last read
}

// fileStamp tells whether a file is another than before.
type fileStamp struct {
	size    int64
	changed time.Time
	missing bool
	file    os.FileInfo
}

func (s fileStamp) same(o fileStamp) bool {
	if s.missing || o.missing {
		return s.missing == o.missing
	}
	return s.size == o.size && s.changed.Equal(o.changed) && os.SameFile(s.file, o.file)
}

func stampOf(name string) fileStamp {
	st, err := os.Stat(name)
	if err != nil {
		return fileStamp{missing: true}
	}
	return fileStamp{size: st.Size(), changed: st.ModTime(), file: st}
}

// OpenTLS reads a certificate chain and its key, both PEM. An error says which file is at
// fault and why; a certificate that has expired, or is not valid yet, is only warned of.
// log may be nil.
func OpenTLS(cert, key string, log *slog.Logger) (*TLS, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t := &TLS{certFile: cert, keyFile: key, log: log, now: time.Now}
	t.web, t.other, t.config = t.offer(), t.offer(), t.offer()
	t.web.NextProtos = []string{"h2", "http/1.1"}
	t.config.GetConfigForClient = t.choose
	t.seen, t.checked = t.stamps(), t.now()
	c, err := t.read()
	if err != nil {
		return nil, err
	}
	t.current.Store(c)
	return t, nil
}

// offer is what all handshakes have in common. A viewer's records are whole from the first: small ones would cost a send each for its first 128 KiB, and
// again after each second of silence.
func (t *TLS) offer() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: t.certificate, DynamicRecordSizingDisabled: true}
}

// choose leaves a client alone that asks by ALPN for neither version of HTTP: what it
// speaks inside TLS is told by its first bytes, and crypto/tls would refuse it.
func (t *TLS) choose(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if slices.Contains(hello.SupportedProtos, "h2") || slices.Contains(hello.SupportedProtos, "http/1.1") {
		return t.web, nil
	}
	return t.other, nil
}

func (t *TLS) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	t.refresh()
	return t.current.Load(), nil
}

// refresh reads the files again if they have changed. Only one handshake in
// certificateCheck looks, and none waits for it.
func (t *TLS) refresh() {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	now := t.now()
	if now.Sub(t.checked) < certificateCheck {
		return
	}
	t.checked = now
	stamps := t.stamps()
	if stamps[0].same(t.seen[0]) && stamps[1].same(t.seen[1]) {
		return
	}
	t.seen = stamps
	c, err := t.read()
	if err != nil {
		t.log.Error("new certificate unusable, the old one stays in use", "error", err)
		return
	}
	t.current.Store(c)
	t.log.Info("certificate read again", "file", t.certFile, "expires", c.Leaf.NotAfter)
}

func (t *TLS) stamps() [2]fileStamp {
	return [2]fileStamp{stampOf(t.certFile), stampOf(t.keyFile)}
}

// read reads and judges both files.
func (t *TLS) read() (*tls.Certificate, error) {
	chain, err := readPEM("certificate", t.certFile)
	if err != nil {
		return nil, err
	}
	key, err := readPEM("key", t.keyFile)
	if err != nil {
		return nil, err
	}
	if err = checkChain(chain); err != nil {
		return nil, fmt.Errorf("certificate file %s: %w", t.certFile, err)
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("key file %s, for the certificate in %s: %w", t.keyFile, t.certFile, err)
	}
	switch now := t.now(); {
	case now.After(c.Leaf.NotAfter):
		t.log.Warn("certificate has expired: clients will refuse it", "file", t.certFile, "expired", c.Leaf.NotAfter)
	case now.Before(c.Leaf.NotBefore):
		t.log.Warn("certificate is not valid yet: clients will refuse it", "file", t.certFile, "valid_from", c.Leaf.NotBefore)
	}
	return &c, nil
}

func readPEM(what, name string) ([]byte, error) {
	st, err := os.Stat(name)
	if err == nil && (!st.Mode().IsRegular() || st.Size() > maxCertificateBytes) {
		err = errors.New("is no regular file of a certificate's size")
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		var path *os.PathError // its text would name the file again
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("%s file %s: %w", what, name, err)
	}
	return b, nil
}

// checkChain tells what crypto/tls would say of certificate and key alike.
func checkChain(b []byte) error {
	found := 0
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d: %w", found+1, err)
		}
		found++
	}
	switch {
	case found > 0:
		return nil
	case len(bytes.TrimSpace(b)) == 0:
		return errors.New("holds no certificate in PEM")
	}
	return errors.New("holds no certificate in PEM, but other text")
}
