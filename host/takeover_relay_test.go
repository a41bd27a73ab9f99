package host_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// certificate makes one that nobody trusts, for 127.0.0.1.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})
}

// TestRelayed: a source over TLS cannot move. Its packets go from server to server, through those between, until it ends; then the encoder that comes
// back is the newest server's, and viewers of all of them go on.
func TestRelayed(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	yaml := strings.NewReplacer(`{web: {address: "127.0.0.1:0"}}`, `{web: {address: "127.0.0.1:0"}, safe: {address: "127.0.0.1:0", tls: {cert: cert.pem, key: key.pem}}}`,
		"listeners: [web], grant: {publish", "listeners: [web, safe], grant: {publish", "grace: 1s", "grace: 4s").Replace(broadcastYAML)
	s := hosttest.Start(t, yaml, hosttest.WithFile("cert.pem", cert), hosttest.WithFile("key.pem", key))
	b := &broadcast{t: t, s: s, stop: make(chan struct{})}
	encoder, err := tls.Dial("tcp", s.Addr("safe"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	b.encoder = encoder
	b.pushing.Go(b.push)
	s.WaitMedia("live", time.Second)
	b.attach(2)
	for range 2 {
		b.s = b.s.TakeOver()
		b.attach(2)
	}
	if p := b.s.Point("live"); !strings.Contains(p.Source, "relay from process") {
		t.Errorf("the source is %s", p.Source)
	}
	if log := s.Log(); !strings.Contains(log, "source is relayed") {
		t.Errorf("the first server does not say so")
	}
	close(b.stop)
	b.pushing.Wait()
	b.s.WaitPoint("live", "waiting")
	select {
	case <-s.Retired():
		t.Error("the first server has retired with viewers")
	default:
	}
	b.stop = make(chan struct{})
	back, err := net.Dial("tcp", b.s.Addr("web"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	b.encoder = back
	seen := make([]int, len(b.viewers))
	for i, v := range b.viewers {
		seen[i] = v.packets()
	}
	b.pushing.Go(b.push)
	b.s.WaitPoint("live", "live")
	for i, v := range b.viewers {
		b.s.Wait("a viewer goes on with the encoder that has come back", func() bool { return v.isDone() || v.packets() > seen[i]+10 })
	}
	b.whole()
	<-s.Retired()
}
