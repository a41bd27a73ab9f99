package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tlsLoad is what fanload is for plain HTTP, with the options of it that this program gives: viewers who shake hands, ask, and from then on let the kernel
// drop what comes. They decrypt no media, which would cost more than everything that is measured.
type tlsLoad struct {
	n, perSec      int
	settle, window float64 // seconds
	command        string
	address        *url.URL
	viewers        []tlsViewer
	epoll          int
}

type tlsViewer struct {
	conn  net.Conn // kept open; its descriptor is fd
	fd    int
	first time.Duration // from the dial to the answer's first bytes
	last  time.Time
	gap   time.Duration
	bytes int64 // in the window
	gone  bool
}

// viewersTLS is the subcommand: bench viewers-tls, then fanload's options and an address.
func viewersTLS(args []string, out io.Writer) error {
	l := &tlsLoad{}
	f := flag.NewFlagSet("viewers-tls", flag.ContinueOnError)
	f.IntVar(&l.n, "n", 100, "viewers")
	f.IntVar(&l.perSec, "r", 1000, "joins per second")
	f.Float64Var(&l.settle, "w", 3, "seconds until the window")
	f.Float64Var(&l.window, "d", 10, "seconds of the window")
	f.StringVar(&l.command, "c", "", "command at the start of the window")
	for _, unused := range []string{"x", "t", "p", "k", "b"} {
		f.String(unused, "", "as fanload's; not used")
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if l.address, err = url.Parse(f.Arg(0)); err != nil || l.address.Scheme != "https" {
		return fmt.Errorf("viewers-tls: %q is no https address", f.Arg(0))
	}
	raiseFiles()
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("viewers-tls: %w", err)
	}
	l.viewers = make([]tlsViewer, l.n)
	return l.run(out)
}

func (l *tlsLoad) run(out io.Writer) error {
	joined, err := l.join()
	if joined == 0 {
		return fmt.Errorf("viewers-tls: nobody joined: %w", err)
	}
	if err := l.watch(time.Duration(l.settle*float64(time.Second)), false); err != nil {
		return err
	}
	start := time.Now()
	if l.command != "" {
		cmd := exec.Command("sh", "-c", l.command)
		cmd.ExtraFiles = []*os.File{os.NewFile(3, "window")}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("viewers-tls: %w", err)
		}
		defer cmd.Wait() //nolint:errcheck // what it does shows elsewhere
	}
	for i := range l.viewers {
		l.viewers[i].last = start
	}
	if err := l.watch(time.Duration(l.window*float64(time.Second)), true); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(l.report(joined, time.Since(start)))
}

// join opens the viewers at their rate, some at a time.
func (l *tlsLoad) join() (joined int, err error) {
	const atOnce = 32 // handshakes; chosen: more would wait for this program's core
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		seats = make(chan struct{}, atOnce)
		tick  = time.NewTicker(time.Second / time.Duration(max(l.perSec, 1)))
	)
	defer tick.Stop()
	for i := range l.viewers {
		<-tick.C
		seats <- struct{}{}
		wg.Go(func() {
			defer func() { <-seats }()
			e := l.viewers[i].open(l.address)
			mu.Lock()
			defer mu.Unlock()
			if e != nil {
				l.viewers[i].gone, err = true, e
				return
			}
			joined++
		})
	}
	wg.Wait()
	for i := range l.viewers {
		if v := &l.viewers[i]; !v.gone {
			if e := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, v.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); e != nil {
				return joined, fmt.Errorf("viewers-tls: %w", e)
			}
		}
	}
	return joined, err
}

// open joins one viewer and reads the head of the answer.
func (v *tlsViewer) open(address *url.URL) error {
	begun := time.Now()
	conn, err := net.DialTimeout("tcp", address.Host, 10*time.Second)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(begun.Add(10 * time.Second))
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) // the certificate was made for this run
	fmt.Fprintf(secure, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n\r\n", address.RequestURI(), address.Host)
	r := bufio.NewReader(secure)
	status, err := r.ReadString('\n')
	if err != nil || !strings.Contains(status, " 200 ") {
		_ = conn.Close()
		return fmt.Errorf("%s: %q %w", address, status, err)
	}
	for line := status; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			_ = conn.Close()
			return err
		}
	}
	if _, err = r.ReadByte(); err != nil {
		_ = conn.Close()
		return err
	}
	v.first = time.Since(begun)
	_ = conn.SetDeadline(time.Time{})
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	v.conn = conn
	return raw.Control(func(fd uintptr) { v.fd = int(fd) })
}

// watch drops what comes for a while; in the window it is counted.
func (l *tlsLoad) watch(d time.Duration, counted bool) error {
	events := make([]unix.EpollEvent, 1024)
	sink := make([]byte, 1<<20)
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := unix.EpollWait(l.epoll, events, 20)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("viewers-tls: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			l.viewers[e.Fd].take(sink, counted)
		}
		<-time.After(5 * time.Millisecond) // as fanload does: readers in batches
	}
	return nil
}

func (v *tlsViewer) take(sink []byte, counted bool) {
	n, _, err := unix.Recvfrom(v.fd, sink, unix.MSG_TRUNC|unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) {
		return
	}
	if n <= 0 {
		v.gone = true
		_ = v.conn.Close() // epoll forgets it
		return
	}
	now := time.Now()
	if counted {
		v.gap = max(v.gap, now.Sub(v.last))
		v.bytes += int64(n)
	}
	v.last = now
}

func (l *tlsLoad) report(joined int, window time.Duration) map[string]any {
	var gaps, rates, firsts []float64
	total, live, stalled := int64(0), 0, 0
	for i := range l.viewers {
		v := &l.viewers[i]
		total += v.bytes
		if v.first > 0 {
			firsts = append(firsts, v.first.Seconds()*1000)
		}
		if v.gone {
			continue
		}
		live++
		if v.gap = max(v.gap, time.Since(v.last)); v.gap > 500*time.Millisecond {
			stalled++
		}
		gaps = append(gaps, v.gap.Seconds()*1000)
		rates = append(rates, float64(v.bytes)*8/1000/window.Seconds())
	}
	return map[string]any{"n": l.n, "joined": joined, "live_at_end": live, "viewers_stalled": stalled, "window_s": window.Seconds(), "MB": float64(total) / 1e6,
		"ttfb_ms": spreadOf(firsts), "goodput_kbit": spreadOf(rates), "maxgap_ms": spreadOf(gaps)}
}

func spreadOf(all []float64) spread {
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	q := func(f float64) float64 { return all[int(float64(len(all)-1)*f+0.5)] }
	return spread{all[0], q(.01), q(.5), q(.9), q(.99), all[len(all)-1]}
}
