package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// form is what viewers are sent, and how.
type form string

const (
	formTS   form = "ts"   // a transport stream by HTTP, or what a peer has in its place
	formMMSH form = "mmsh" // ASF as Windows Media players ask for it
	formTLS  form = "tls"  // a transport stream by HTTPS
	formUDP  form = "udp"  // a transport stream in datagrams of 1,316 bytes
)

// job is what a contender is to serve.
type job struct {
	form    form
	kbit    int           // rate of the stream
	latency time.Duration // weir: the point's latency, 0 for the default
	chunk   int           // the floor: bytes that each send writes
	viewers int           // UDP: how many destinations there are
	udpPort int           // UDP: port of the first one
	tidy    bool          // weir: collect garbage at once, so that its heap holds what is in use
}

func (j job) String() string { return fmt.Sprintf("%s %d kbit/s", j.form, j.kbit) }

// contender is a server that can be measured. Missing says why it cannot be here; empty if it can.
type contender struct {
	name    string
	forms   []form
	missing func(*bench) string
	start   func(*bench, job) (*service, error)
	joins   int  // viewers a second that it is known to let in; 0: any number
	once    bool // one round tells enough: it is far from all others
	media   bool // it sends on what mediasrc sends between its markers, six packets of seven
}

// rate is how much each viewer should get, in kbit/s.
func (c *contender) rate(kbit int) float64 {
	if c.media {
		return float64(kbit) * 6 / 7
	}
	return float64(kbit)
}

func (c *contender) takes(f form) bool {
	for _, x := range c.forms {
		if x == f {
			return true
		}
	}
	return false
}

// service is a running server with its source. Close ends both.
type service struct {
	url     string
	headers []string
	server  *child
	source  *child
	others  []*child // whose processor time is nobody's fault: a peer's origin
	metrics string   // weir: the address of its metrics
	rate    float64  // kbit/s that each viewer should get
	ends    closers
}

func (s *service) close() { s.ends.close() }

// run starts a child that ends with the service.
func (s *service) run(core int, asNobody bool, name string, args ...string) (*child, error) {
	c, err := spawn(core, asNobody, name, args...)
	if err == nil {
		s.ends.add(c.close)
	}
	return c, err
}

// boot starts a contender for a job and waits until it gives viewers bytes.
func (b *bench) boot(ctx context.Context, c *contender, j job) (*service, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := c.start(b, j)
	if err != nil {
		return nil, fmt.Errorf("%s, %v: %w", c.name, j, err)
	}
	if err := s.await(); err != nil {
		s.close()
		return nil, fmt.Errorf("%s, %v: %w", c.name, j, err)
	}
	s.rate = c.rate(j.kbit)
	return s, nil
}

// patience is how long a server may take until it is ready. Chosen: VLC fills its buffers first.
const patience = 20 * time.Second

// await returns when a viewer would get bytes, or, where only a protocol tells, a connection.
func (s *service) await() error {
	u, err := url.Parse(s.url)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "udp", "https":
		return nil // whoever started it has asked
	case "http":
		return until(patience, s.server, func() (bool, error) { return probe(s.url, s.headers) })
	}
	return until(patience, s.server, func() (bool, error) { return answers(u.Host) })
}

func answers(address string) (bool, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false, err
	}
	return true, conn.Close()
}

// probe asks for a stream and takes its first byte.
func probe(address string, headers []string) (bool, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return false, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	answer, err := client.Do(r)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("%s: %s", address, answer.Status)
	}
	_, err = io.ReadFull(answer.Body, make([]byte, 1))
	return err == nil, err
}

// file writes a configuration that also nobody may read and gives its path.
func (b *bench) file(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// media gives the path of a file of the stream, made when it is first needed.
func (b *bench) media(kind string, kbit int) (string, error) {
	path := filepath.Join(b.dir, fmt.Sprintf("%d.%s", kbit, kind))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	var content []byte
	switch kind {
	case "flv":
		content = flvFile(kbit, 20) // mediasrc gives each round its own time
	default:
		content = tsFile(kbit, 120) // longer than any row takes: in the second round time begins anew
	}
	return path, os.WriteFile(path, content, 0o644)
}

// feed starts mediasrc for a service.
func (s *service) feed(b *bench, j job, mode, target string) error {
	kind := "ts"
	if mode == "rtmp" {
		kind = "flv"
	}
	path, err := b.media(kind, j.kbit)
	if err != nil {
		return err
	}
	args := []string{"-f", path, "-gap", "0.2"}
	if kind == "ts" {
		args = append(args, "-r", fmt.Sprint(j.kbit))
	}
	s.source, err = s.run(b.cores.load, false, b.tools.mediasrc, append(args, mode, target)...)
	return err
}
