package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// weir is the server of this repository, linked the same with its plugins compiled into it.
var (
	weir = &contender{
		name: "weir", forms: []form{formTS, formMMSH, formTLS, formUDP}, missing: func(*bench) string { return "" },
		start: func(b *bench, j job) (*service, error) { return startWeir(b, j, b.tools.weir) },
	}
	linked = &contender{
		name: "weir, native plugins", forms: []form{formTS, formMMSH},
		missing: func(b *bench) string {
			if b.tools.weirNative == "" {
				return "it could not be built"
			}
			return ""
		},
		start: func(b *bench, j job) (*service, error) { return startWeir(b, j, b.tools.weirNative) },
	}
)

// mmshHeaders is how ffmpeg asks for a broadcast.
var mmshHeaders = []string{
	"User-Agent: NSPlayer/4.1.0.3856", "Pragma: no-cache,rate=1.000000,request-context=2", "Pragma: xPlayStrm=1",
	"Pragma: xClientGUID={c77e7400-738a-11d2-9add-0020af0a3278}", "Pragma: stream-switch-count=2", "Pragma: stream-switch-entry=ffff:1:0 ffff:2:0",
}

func startWeir(b *bench, j job, program string) (*service, error) {
	port, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	metrics, err := b.ports.take()
	if err != nil {
		return nil, err
	}
	push := port
	if j.form == formTLS {
		if push, err = b.ports.take(); err != nil {
			return nil, err
		}
	}
	path, err := b.file(fmt.Sprintf("weir-%d.yaml", port), b.weirConfig(j, port, push, metrics))
	if err != nil {
		return nil, err
	}
	s := &service{metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics)}
	command := []string{program, "serve", "-c", path}
	if j.tidy {
		command = append([]string{"env", "GOGC=1"}, command...)
	}
	if s.server, err = s.run(b.cores.server, false, command[0], command[1:]...); err != nil {
		return nil, err
	}
	fail := func(err error) (*service, error) {
		s.close()
		return nil, err
	}
	if err = until(patience, s.server, func() (bool, error) { return answers(fmt.Sprintf("127.0.0.1:%d", push)) }); err != nil {
		return fail(err)
	}
	live := fmt.Sprintf("http://127.0.0.1:%d/live", push)
	switch j.form {
	case formMMSH:
		s.url, s.headers = live, mmshHeaders
		s.source, err = s.run(b.cores.load, false, b.tools.self, "source-asf", strconv.Itoa(j.kbit), live)
	case formTLS:
		s.url = fmt.Sprintf("https://127.0.0.1:%d/live.ts", port)
		err = s.feed(b, j, "post", live)
	case formUDP:
		s.url = fmt.Sprintf("udp://127.0.0.1:%d", j.udpPort)
		err = s.feed(b, j, "post", live)
	default:
		s.url = live + ".ts"
		err = s.feed(b, j, "post", live)
	}
	if err == nil && j.form != formMMSH {
		err = until(patience, s.server, func() (bool, error) { return probe(live+".ts", nil) })
	}
	if err == nil && j.tidy {
		socket := b.socketOf(port)
		err = until(patience, s.server, func() (bool, error) { return hasSpares(socket) })
	}
	if err != nil {
		return fail(err)
	}
	return s, nil
}

// hasSpares asks weir, by its socket, whether each plugin in use has its spare instance: those come a second after the first event, take megabytes, and are
// no viewer's.
func hasSpares(socket string) (bool, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	answer, err := client.Get("http://weir/v1/status")
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	var status struct {
		Plugins []struct{ Events, Spares uint64 }
	}
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		return false, err
	}
	used := 0
	for _, p := range status.Plugins {
		if p.Events > 0 {
			used++
			if p.Spares == 0 {
				return false, nil
			}
		}
	}
	return used > 0, nil
}

func (b *bench) socketOf(port int) string {
	return filepath.Join(b.dir, fmt.Sprintf("weir-%d.sock", port))
}

func (b *bench) weirConfig(j job, port, push, metrics int) string {
	var c strings.Builder
	fmt.Fprintf(&c, "admin: {socket: %q}\nmetrics: {address: \"127.0.0.1:%d\"}\nlisteners:\n", b.socketOf(port), metrics)
	web := "[web]"
	if push != port {
		web = "[web, push]"
		fmt.Fprintf(&c, "  push: {address: \"127.0.0.1:%d\"}\n  web: {address: \"127.0.0.1:%d\", tls: {cert: %q, key: %q}}\n", push, port, b.certificate, b.key)
	} else {
		fmt.Fprintf(&c, "  web: {address: \"127.0.0.1:%d\"}\n", port)
	}
	fmt.Fprintf(&c, `plugins:
  push: {module: "builtin:push", listeners: %[1]s, grant: {publish: ["live"]}}
  asf: {module: "builtin:asf"}
  mpegts: {module: "builtin:mpegts"}
  wmsp: {module: "builtin:wmsp", listeners: %[1]s, grant: {attach: ["*"]}}
  http: {module: "builtin:http", listeners: %[1]s, grant: {attach: ["*"]}}
points:
  live:
    source: push
`, web)
	if j.latency > 0 {
		fmt.Fprintf(&c, "    latency: %v\n", j.latency)
	}
	if j.form == formUDP {
		c.WriteString("    multicast:\n")
		for i := range j.viewers {
			fmt.Fprintf(&c, "      - {rendition: mpegts, group: \"127.0.0.1:%d\"}\n", j.udpPort+i)
		}
	}
	return c.String()
}

// gauges are weir's own figures at one time.
type gauges map[string]float64

// readGauges asks weir; a series with labels is added up under the metric's name.
func readGauges(address string) (gauges, error) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	g := gauges{}
	for s := bufio.NewScanner(answer.Body); s.Scan(); {
		name, value, ok := strings.Cut(s.Text(), " ")
		if strings.HasPrefix(name, "#") || !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "{")
		if i := strings.LastIndexByte(value, ' '); strings.Contains(value, "}") && i >= 0 { // a label's value had a space
			value = value[i+1:]
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			g[name] += v
		}
	}
	return g, nil
}
