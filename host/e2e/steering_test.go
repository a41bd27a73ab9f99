//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
	"github.com/weir-media/weir/host/e2e/netns"
)

// besideNginx is a weir on a computer whose port 80 belongs to nginx, on every address.
const besideNginx = `
listeners:
  web: {address: "127.0.0.2:80"%[1]s}
  plain: {address: "127.0.0.1:8080"}
  wide: {addresses: [127.0.0.2], ports: ["20000-20999"]%[1]s}
  media: {protocol: udp, addresses: [127.0.0.2], ports: ["20000-20999"]%[1]s}
  groups: {protocol: udp, address: "0.0.0.0:5000", groups: ["239.192.7.7"], interface: lo}
plugins:
  push: {module: ./push.wasm, listeners: [web, plain, wide], grant: {publish: ["*"]}}
  asf: {module: ./asf.wasm}
  mpegts: {module: ./mpegts.wasm}
  udp: {module: ./udp.wasm, listeners: [media, groups], grant: {publish: ["*"], group: ["239.0.0.0/8:1-65535"]},
    config: {points: {"20000": first, "20999": last, "5000": group}}}
  file: {module: ./file.wasm, grant: {publish: ["*"], read: ["builtin/*"]}}
  wmsp: {module: ./wmsp.wasm, listeners: [web, plain, wide], grant: {attach: ["*"]}}
  http: {module: ./http.wasm, listeners: [web, plain, wide], grant: {attach: ["*"]}}
  asx: {module: ./asx.wasm, listeners: [web, plain, wide], grant: {documents: true}}
points:
  demo: {source: {url: "file:builtin/demo.asf"}}
  first: {source: push}
  last: {source: push}
  group: {source: push}
  joined: {source: {url: "udp://239.192.7.8:5001"}}
cache_dir: %[2]s
`

// beside gives that configuration, with what its listeners say of steering.
func beside(steer string) string {
	cache := filepath.Join(os.TempDir(), fmt.Sprintf("weir-test-%d", os.Getuid()), "modules") // as package hosttest has it
	return fmt.Sprintf(besideNginx, steer, cache)
}

const nginxEverywhere = `server { listen 80; listen [::]:80; location / { return 200 "nginx\n"; } }`

// lane is a namespace with nginx on port 80 of all its addresses.
type lane struct {
	*netns.Space
	t      *testing.T
	client *http.Client
}

// addresses of the lane, beside the loopback's.
const ipv4, ipv6 = "10.9.8.7", "fd00::7"

func newLane(t *testing.T) *lane {
	t.Helper()
	curl.need(t)
	nginx.need(t)
	l := &lane{Space: netns.New(t, ipv4+"/32", ipv6+"/128"), t: t}
	l.client = &http.Client{Timeout: answered, Transport: &http.Transport{DisableKeepAlives: true, DialContext: l.dial}}
	return l
}

// route sends packets for a network to the loopback.
func (l *lane) route(t *testing.T, network string) {
	t.Helper()
	if out, err := l.Command("ip", "route", "add", network, "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func (l *lane) dial(_ context.Context, network, address string) (c net.Conn, err error) {
	l.Do(func() { c, err = net.DialTimeout(network, address, answered) })
	return c, err
}

// startNginx runs nginx in the namespace, as the user that words such as setpriv's make.
func (l *lane) startNginx(t *testing.T, user ...string) *process {
	t.Helper()
	return startNginx(t, openFolder(t), nginxEverywhere, func(name string, arguments ...string) *exec.Cmd {
		all := append(append(user[:len(user):len(user)], name), arguments...)
		return l.Command(all[0], all[1:]...)
	})
}

// Who answers at an address.
const (
	weirAnswers  = "weir"
	nginxAnswers = "nginx"
	refusedThere = "nobody"
)

func (l *lane) who(address string) string {
	r, err := l.client.Get("http://" + address + "/demo.asx")
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return refusedThere
		}
		return err.Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	host, _, _ := net.SplitHostPort(address)
	switch {
	case err != nil:
		return err.Error()
	case string(b) == "nginx\n":
		return nginxAnswers
	case strings.Contains(string(b), "<asx") && strings.Contains(string(b), host): // weir must know which address was dialled
		return weirAnswers
	}
	return fmt.Sprintf("%s %q", r.Status, b)
}

// answers asserts who answers where.
func (l *lane) answers(t *testing.T, when string, want map[string]string) {
	t.Helper()
	for address, who := range want {
		if got := l.who(address); got != who {
			t.Errorf("%s, at %s: %s; %s was expected", when, address, got, who)
		}
	}
}

var (
	steered = map[string]string{
		"127.0.0.2:80": weirAnswers, "127.0.0.1:80": nginxAnswers, "127.0.0.3:80": nginxAnswers, ipv4 + ":80": nginxAnswers,
		"[::1]:80": nginxAnswers, "[" + ipv6 + "]:80": nginxAnswers, "127.0.0.1:8080": weirAnswers,
		"127.0.0.2:20000": weirAnswers, "127.0.0.2:20500": weirAnswers, "127.0.0.2:20999": weirAnswers,
		"127.0.0.2:19999": refusedThere, "127.0.0.2:21000": refusedThere, "127.0.0.1:20500": refusedThere,
	}
	moved = map[string]string{
		"127.0.0.2:80": nginxAnswers, "127.0.0.3:80": weirAnswers, "127.0.0.1:80": nginxAnswers, ipv4 + ":80": weirAnswers, "[" + ipv6 + "]:80": weirAnswers,
		"[::1]:80": nginxAnswers, "127.0.0.2:20000": refusedThere, "127.0.0.2:30000": weirAnswers, "127.0.0.2:30999": weirAnswers,
		"127.0.0.1:8080": refusedThere, "127.0.0.1:8081": weirAnswers,
	}
	released = map[string]string{
		"127.0.0.2:80": nginxAnswers, "127.0.0.3:80": nginxAnswers, "127.0.0.1:80": nginxAnswers, ipv4 + ":80": nginxAnswers,
		"[" + ipv6 + "]:80": nginxAnswers, "127.0.0.2:20500": refusedThere, "127.0.0.2:30500": refusedThere,
	}
)

// TestSteering: nginx holds port 80 on every address; weir, started after it, takes one of them and a thousand ports, gives some back while it runs, and
// all when it ends, in whatever way.
func TestSteering(t *testing.T) {
	l := newLane(t)
	l.route(t, "239.0.0.0/8")
	l.startNginx(t)
	a := newAlone(t, l.Space, beside(""))
	l.answers(t, "before weir", released)
	a.serve()
	a.awaitPoint("demo", "live")
	l.answers(t, "beside weir", steered)
	t.Run("status", a.tellsSteering)
	t.Run("udp", func(t *testing.T) { l.feed(t, a) })
	t.Run("rate", func(t *testing.T) {
		l.rate(t)
		a.tellsTime(t)
	})
	t.Run("apply", func(t *testing.T) { l.change(t, a) })
	a.stop()
	l.answers(t, "after SIGTERM", released)
	a.serve()
	a.awaitPoint("demo", "live")
	l.answers(t, "after another start", moved)
	a.kill()
	l.answers(t, "after SIGKILL", released)
}

// tellsSteering: status names the rung of each listener, and what the kernel measured.
func (a *alone) tellsSteering(t *testing.T) {
	out := a.weir("status")
	t.Log("weir status:\n" + out)
	for _, line := range strings.Split(out, "\n") {
		name, rest, _ := strings.Cut(line, " ")
		want := map[string]string{"web": "steer", "wide": "steer", "media": "steer", "groups": "bind", "plain": "bind"}[name]
		if !strings.Contains(rest, want) {
			t.Errorf("status says %q; rung %s was expected", line, want)
		}
	}
	a.tellsTime(t)
}

// programTime is how status tells the kernel's measure of a look-up.
var programTime = regexp.MustCompile(`STEERING .*program time \d+ ?ns.*`)

func (a *alone) tellsTime(t *testing.T) {
	t.Helper()
	line := programTime.FindString(a.weir("status"))
	t.Log(line)
	if line == "" {
		t.Errorf("status does not tell the program's time for a look-up")
	}
}

// feed has ffmpeg send datagrams to both ends of the range of ports and to two multicast groups, and play what came.
func (l *lane) feed(t *testing.T, a *alone) {
	ffmpeg.need(t)
	senders, viewers := map[string]*process{}, map[string]*process{}
	for point, to := range map[string]string{
		"first": "-f mpegts udp://127.0.0.2:20000?pkt_size=1316", "last": "-f rtp_mpegts rtp://127.0.0.2:20999",
		"group":  "-f mpegts udp://239.192.7.7:5000?pkt_size=1316", // a listener is a member
		"joined": "-f mpegts udp://239.192.7.8:5001?pkt_size=1316", // the point's own source
	} {
		senders[point] = startCommand(t, l.Command(ffmpeg.name, fields([]string{picture, h264, to})...))
	}
	for point := range senders {
		a.awaitPoint(point, "live")
		viewers[point] = startCommand(t, l.Command(ffmpeg.name, fields([]string{progress, "-i http://127.0.0.2:20500/" + point + ".ts -f null -"})...))
	}
	framesOf(t, slices.Collect(maps.Values(viewers)), enough)
	for point := range senders {
		viewers[point].undamaged()
	}
	for point := range senders {
		viewers[point].kill()
		senders[point].kill()
	}
}

// change applies other rules while somebody watches by the old ones.
func (l *lane) change(t *testing.T, a *alone) {
	ffmpeg.need(t)
	var viewers []*process
	for _, url := range []string{"mmsh://127.0.0.2/demo", "http://127.0.0.2:20999/demo", "http://127.0.0.1:8080/demo"} {
		viewers = append(viewers, startCommand(t, l.Command(ffmpeg.name, fields([]string{progress, "-i", url, "-f null -"})...)))
	}
	framesOf(t, viewers, enough/3) // a second
	a.write("next.yaml", strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:8081", "20000-20999", "30000-30999",
		`address: "127.0.0.2:80"`, `addresses: [127.0.0.3, "10.9.8.0/24", "`+ipv6+`"], port: 80`).Replace(beside("")))
	plan := a.weir("plan", "-c", "next.yaml")
	for _, name := range []string{"web", "wide", "media", "plain"} {
		if !strings.Contains(plan, name) {
			t.Errorf("the plan does not name listener %s:\n%s", name, plan)
		}
	}
	l.answers(t, "after plan", steered)
	a.weir("apply", "-c", "next.yaml")
	l.answers(t, "after apply", moved)
	out, _, _ := child.Run(t, l.Command(curl.name, "-sS", "http://127.0.0.1:8081/demo.asx"))
	if strings.Contains(out, ":8080/") || !strings.Contains(out, "//127.0.0.1:8081/demo") {
		t.Errorf("the announcement still names the old port:\n%s", out)
	}
	framesOf(t, viewers, enough)
	for _, c := range viewers {
		c.undamaged()
	}
	if err := os.Rename(filepath.Join(a.dir, "next.yaml"), filepath.Join(a.dir, "plugins.yaml")); err != nil { // for the next start
		t.Fatal(err)
	}
}

// TestPortInUse: where steering is off, or no right to it, the start tells the number of the error, who holds the port and what to do; the rest of the
// server runs.
func TestPortInUse(t *testing.T) {
	t.Run("off", func(t *testing.T) {
		l := newLane(t)
		holder := l.startNginx(t)
		// A range of ports is for steering alone, so there is none.
		config := strings.ReplaceAll(beside(", steer: off"), `["20000-20999"], steer: off`, "[20500]")
		l.inUse(t, newAlone(t, l.Space, config).serve(), holder, "web")
		l.answers(t, "beside nginx", map[string]string{"127.0.0.2:80": nginxAnswers, "127.0.0.1:8080": weirAnswers, "127.0.0.2:20500": weirAnswers})
	})
	t.Run("without rights", func(t *testing.T) {
		child.Need(t, "setpriv")
		l := newLane(t)
		l.Set("net/ipv4/ip_unprivileged_port_start", "80") // so that rights to low ports are not what is missing
		config := beside("")
		// What another user compiled, nobody may not use; so there is little to compile.
		config = regexp.MustCompile(`(?m)^  (push|mpegts|udp|wmsp): \{module.*\n(    .*\n)*`).ReplaceAllString(config, "")
		config = regexp.MustCompile(`cache_dir: .*`).ReplaceAllString(config, "cache_dir: cache")
		a := newAlone(t, l.Space, config).asNobody()
		holder := l.startNginx(t, a.user...) // of the same user, who may not look into others' processes
		l.inUse(t, a.serve(), holder, "web")
		for _, listener := range a.status().Listeners {
			if listener.Name != "wide" && listener.Name != "media" {
				continue
			}
			if text := listener.Reason + listener.Remedy; listener.State != "failed" || !strings.Contains(text, "CAP_BPF") {
				t.Errorf("listener %s is %s: %s", listener.Name, listener.State, text)
			}
		}
		l.answers(t, "beside nginx", map[string]string{"127.0.0.2:80": nginxAnswers, "127.0.0.1:8080": weirAnswers, "127.0.0.2:20500": refusedThere})
	})
}

// inUse asserts what a listener that found its port taken says, in status and in the log.
func (l *lane) inUse(t *testing.T, a *alone, holder *process, name string) {
	t.Helper()
	const code = "0xC00D158B" // NS_E_PORT_IN_USE_HTTP
	who := fmt.Sprint(holder.cmd.Process.Pid)
	a.awaitPoint("demo", "live")
	for _, x := range a.status().Listeners {
		if x.Name != name {
			continue
		}
		t.Logf("%s %s: %s\n%s", x.State, x.Code, x.Reason, x.Remedy)
		if x.State != "failed" || x.Code != code || x.Remedy == "" || !strings.Contains(x.Reason, "nginx") || !strings.Contains(x.Reason, who) {
			t.Errorf("listener %s is %s, code %q, because %q, to mend it: %q; %s and nginx with pid %s were expected", name,
				x.State, x.Code, x.Reason, x.Remedy, code, who)
		}
	}
	for where, text := range map[string]string{"status": a.weir("status"), "the log": a.Log.String() + a.Out.String()} {
		for _, word := range []string{code, "127.0.0.2:80", "nginx", who} {
			if !strings.Contains(text, word) {
				t.Errorf("%s does not say %q:\n%s", where, word, text)
			}
		}
	}
}
