//go:build linux

package load_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
)

// fortress is a weir of its own process, whose memory can be measured, with live viewers who must notice nothing.
type fortress struct {
	*siege   // at is the listener that proxies; its Server is nil
	server   *process
	client   *admin.Client
	encoder  *encoder
	files    string // address of the listener that serves a folder
	safe     string // address of the listener that speaks TLS
	upstream *recorder
	dir      string
}

const fortressConfig = `
listeners:
  web: {address: "%s", fallback: {upstream: "http://%s"}}
  files: {address: "%s", fallback: {files: public, listing: true}}
  safe: {address: "%s", tls: {cert: cert.pem, key: key.pem}}
plugins:
  push: {module: ./push.wasm, listeners: [web, files], grant: {publish: ["*"]}}
  asf: {module: ./asf.wasm}
  mpegts: {module: ./mpegts.wasm}
  wmsp: {module: ./wmsp.wasm, listeners: [web, files], grant: {attach: ["*"]}}
  http: {module: ./http.wasm, listeners: [web, files], grant: {attach: ["*"]}}
  asx: {module: ./asx.wasm, listeners: [web, files], grant: {documents: true}}
points:
  live: {source: push, buffer: 10s, grace: 0s}
cache_dir: %s
`

func newFortress(t *testing.T) *fortress {
	t.Helper()
	const lead = 11 * time.Second
	x := &fortress{siege: &siege{at: freeAddress(t)}, files: freeAddress(t), safe: freeAddress(t), dir: shortFolder(t), upstream: newRecorder(t)}
	program := filepath.Join(x.dir, "weir")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, name := range []string{"push", "asf", "mpegts", "wmsp", "http", "asx"} {
		write(t, filepath.Join(x.dir, name+".wasm"), hosttest.Build(t, "../../../plugins/"+name))
	}
	x.lay(t)
	x.certify(t)
	cache := filepath.Join(os.TempDir(), fmt.Sprintf("weir-test-%d", os.Getuid()), "modules") // as package hosttest has it
	write(t, filepath.Join(x.dir, "plugins.yaml"), fmt.Appendf(nil, fortressConfig, x.at, x.upstream.address(), x.files, x.safe, cache))
	x.server = start(t, program, x.dir)
	var err error
	if x.client, err = admin.NewClient("unix:"+filepath.Join(x.dir, "weir.sock"), ""); err != nil {
		t.Fatal(err)
	}

	f := asfFilm(t, 0, scale(2*time.Minute, 10*time.Minute), megabit)
	x.encoder = push(t, x.at, "live", f, true, lead)
	within(t, "the point is live", func() bool {
		for _, r := range x.status(t).Points[0].Renditions {
			if r.Name == "mmsh" {
				return r.NextSequence >= uint64(lead/f.step)-1
			}
		}
		return false
	})
	x.audience, x.forms = newAudience(t), []*form{f.overHTTP("live"), f.overMMSH("live")}
	x.healthy = sit(30, habit{}, x.forms...)
	x.audience.join(x.at, x.healthy)
	x.audience.wait("watch", x.healthy, func(s *seat) bool { return s.first >= 0 })
	return x
}

// certify makes a certificate that signs itself, and its key.
func (x *fortress) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"weir.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(x.dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, filepath.Join(x.dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func (x *fortress) status(t *testing.T) admin.Status {
	t.Helper()
	st, err := x.client.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// undisturbed: the viewers have all that was pushed, a new one joins, and no plugin is at fault.
func (x *fortress) undisturbed(t *testing.T) {
	t.Helper()
	x.audience.watched(x.healthy, int(x.encoder.sent.Load()))
	guests := sit(2, habit{}, x.forms...)
	x.audience.join(x.at, guests)
	x.audience.wait("watch", guests, func(s *seat) bool { return s.first >= 0 })
	x.audience.leave(guests)
	for _, p := range x.status(t).Plugins {
		if p.State != "running" || p.Faults > 0 {
			t.Errorf("plugin %s is %s (%s) with %d faults: %+v", p.Name, p.State, p.Reason, p.Faults, p.LastFault)
		}
	}
}

// resident is the server's memory in bytes, as the kernel counts it (proc(5), VmRSS), and the most that it ever was (VmHWM).
func (x *fortress) resident(t *testing.T) (now, most int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.server.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return kibibytes(t, string(b), "VmRSS:"), kibibytes(t, string(b), "VmHWM:")
}

func kibibytes(t *testing.T, status, key string) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(status, key)
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Fatalf("%s %v", key, err)
	}
	return n << 10
}

// bounded runs an attack and asserts that the server's memory never grew by more than most.
func (x *fortress) bounded(t *testing.T, most int64, attack func(*testing.T)) {
	t.Helper()
	before, _ := x.resident(t)
	// proc(5): 5 sets the high-water mark back.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", x.server.cmd.Process.Pid), []byte("5"), 0o200); err != nil {
		t.Logf("the high-water mark cannot be set back: %v", err)
	}
	attack(t)
	after, peak := x.resident(t)
	t.Logf("resident memory %d MiB before, %d at most, %d after; %d more are allowed", before>>20, peak>>20, after>>20, most>>20)
	if peak > before+most {
		t.Errorf("resident memory grew by %d MiB, more than %d", (peak-before)>>20, most>>20)
	}
}
