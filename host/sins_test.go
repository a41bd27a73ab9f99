package host_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
	"github.com/weir-media/weir/host/internal/sins"
)

const sinners = "../testplugins"

// expectations gives each testplugin of a carrier that can be built here, with what it
// comes to. Another test says what is missing for the others.
func expectations(t *testing.T, carrier string) map[string]sins.Expectation {
	t.Helper()
	all, err := sins.Read(sinners)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(all, func(name string, e sins.Expectation) bool {
		return !e.Is(carrier) || hosttest.Compiler(filepath.Join(sinners, name)) != nil
	})
	return all
}

// startSinners starts a server with a bystander's plugins and these testplugins. source
// says where one's code is, in the words of plugins.yaml.
func startSinners(t *testing.T, all map[string]sins.Expectation, source func(name string) string) *hosttest.Server {
	t.Helper()
	config := broadcastYAML
	var opts []hosttest.Option
	for name, e := range all {
		config += e.Line(name, source(name), "web")
		opts = append(opts, hosttest.WithPlugin(name, filepath.Join(sinners, name)))
	}
	return hosttest.Start(t, config, opts...)
}

// precompile builds all modules and fills the cache of compiled ones, on all cores; the
// server would do it on one.
func precompile(t *testing.T, all map[string]sins.Expectation) {
	t.Helper()
	var modules sync.WaitGroup
	for name := range all {
		modules.Go(func() {
			module, err := hosttest.Module(filepath.Join(sinners, name))
			if err != nil {
				t.Error(err)
				return
			}
			if g, err := wasm.Open(t.Context(), wasm.Options{Module: module, CacheDir: moduleCache}); err == nil {
				g.Close()
			}
		})
	}
	modules.Wait()
}

// TestSins: each testplugin's sin is its own fault, of the right kind and in time;
// status explains it; other sessions of the same plugin are answered; and a broadcast
// beside it loses no byte.
func TestSins(t *testing.T) {
	t.Run("modules", func(t *testing.T) {
		t.Parallel()
		sinsOfModules(t)
	})
	t.Run("processes", func(t *testing.T) {
		t.Parallel()
		sinsOfProcesses(t)
	})
}

func sinsOfModules(t *testing.T) {
	t.Helper()
	all := expectations(t, sins.Wasm)
	precompile(t, all)
	judgeAll(t, all, startSinners(t, all, func(name string) string { return fmt.Sprintf("module: %q", "builtin:"+name) }))
}

func sinsOfProcesses(t *testing.T) {
	t.Helper()
	all := expectations(t, sins.Proc)
	var programs sync.WaitGroup
	for name := range all {
		programs.Go(func() { hosttest.BuildProc(t, filepath.Join(sinners, name)) })
	}
	programs.Wait()
	judgeAll(t, all, startSinners(t, all, func(name string) string { return hosttest.Exec(t, filepath.Join(sinners, name)) }))
}

func judgeAll(t *testing.T, all map[string]sins.Expectation, s *hosttest.Server) {
	t.Helper()
	const viewers = 20
	b := air(t, s, viewers)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) { judged(t, s, name, all[name]) })
	}
	for _, name := range []string{"push", "asf", "wmsp"} {
		if p := s.Plugin(name); p.Faults != 0 || p.Refused != 0 {
			t.Errorf("%s: %d faults, %d refusals: %+v", name, p.Faults, p.Refused, p.LastFault)
		}
	}
	b.whole()
}

// TestSinnersAreBuilt: where a compiler is missing, this says so; and the README has
// every one of them.
func TestSinnersAreBuilt(t *testing.T) {
	all, err := sins.Read(sinners)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(sinners + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		t.Run(name, func(t *testing.T) {
			if !regexp.MustCompile(`\n\|[^|]*\b` + name + `\b`).Match(readme) {
				t.Error("README.md does not list it")
			}
			hosttest.NeedCompiler(t, filepath.Join(sinners, name))
		})
	}
}

func judged(t *testing.T, s *hosttest.Server, name string, want sins.Expectation) {
	if want.Load != "" {
		notLoaded(t, s, name, want)
		return
	}
	before := s.Plugin(name)
	if before.State != "running" {
		t.Fatalf("%s: %s", before.State, before.Reason)
	}
	for i, query := range want.Queries {
		sinned(t, s, name, query, i, want)
	}
	if n := strings.Count(s.Log(), want.LogLines.Of); want.LogLines.Of != "" && n > want.LogLines.AtMost {
		t.Errorf("%d lines %q in the log", n, want.LogLines.Of)
	}
	if status, _ := fetch(t, s.URL("web", "http", "/"+name)); status != 200 {
		t.Errorf("after the sin: %d", status)
	}
}

func notLoaded(t *testing.T, s *hosttest.Server, name string, want sins.Expectation) {
	p := s.Plugin(name)
	if p.State != "failed" || !strings.Contains(p.Reason, want.Load) {
		t.Errorf("state %s, reason %q; want %q in it", p.State, p.Reason, want.Load)
	}
	if len(want.Kinds) > 0 && (p.LastFault == nil || !slices.Contains(want.Kinds, p.LastFault.Kind) || p.LastFault.During != want.During) {
		t.Errorf("last fault %+v", p.LastFault)
	}
	if status, text := fetch(t, s.URL("web", "http", "/"+name)); status != want.Status {
		t.Errorf("%d %.200q", status, text)
	}
}

// sinned asks for a sin in the midst of innocent requests. The guilty ones come from
// networks of their own, which the host then puts aside.
func sinned(t *testing.T, s *hosttest.Server, name, query string, number int, want sins.Expectation) {
	t.Helper()
	url := s.URL("web", "http", "/"+name)
	before := s.Plugin(name)
	guilty := from(fmt.Sprintf("127.66.%d.1", number+1))
	var all sync.WaitGroup
	for i := range want.Crowd {
		if i == want.Crowd/2 {
			all.Go(func() {
				began := time.Now()
				if status, text := fetchFrom(t, guilty, url+"?"+query); status != want.Status || !strings.Contains(text, want.Body) {
					t.Errorf("the guilty request %q: %d %.200q, want %d %q", query, status, text, want.Status, want.Body)
				}
				took := time.Since(began)
				if took > want.Within {
					t.Errorf("the sin %q took %v, want at most %v", query, took, want.Within)
				}
				t.Logf("%s?%s: answered after %v", name, query, took.Round(time.Millisecond))
			})
		}
		all.Go(func() {
			if status, text := fetch(t, url); status != 200 || text != "innocent\n" && text != "" {
				t.Errorf("an innocent request: %d %.200q", status, text)
			}
		})
	}
	all.Wait()
	s.Wait("the end of all sessions of "+name, func() bool { return s.Plugin(name).Sessions == 0 })
	explained(t, s, before, want)
}

// explained judges what status says of a sin that came after the state before.
func explained(t *testing.T, s *hosttest.Server, before hosttest.PluginStatus, want sins.Expectation) {
	t.Helper()
	p := s.Plugin(before.Name)
	if p.State != "running" || p.Refused-before.Refused != want.Refused {
		t.Errorf("state %s %q, %d batches refused; want %d", p.State, p.Reason, p.Refused-before.Refused, want.Refused)
	}
	var guilty, nobodys []hosttest.Fault
	for _, f := range s.Faults(before.Name) {
		switch {
		case before.LastFault != nil && f.ID <= before.LastFault.ID:
		case f.Session != 0:
			guilty = append(guilty, f)
		default:
			nobodys = append(nobodys, f)
		}
	}
	// The end of a process takes calls with it that have done nothing.
	if p.Carrier == sins.Proc {
		nobodys = slices.DeleteFunc(nobodys, func(f hosttest.Fault) bool { return f.Kind == "exit" && want.Blames != sins.NoSession })
	}
	switch {
	case len(want.Kinds) == 0 && len(guilty)+len(nobodys) == 0:
	case len(want.Kinds) > 0 && want.Blames == sins.NoSession && len(guilty) == 0 && len(nobodys) > 0:
		expected(t, nobodys[0], want)
	case len(want.Kinds) > 0 && want.Blames != sins.NoSession && len(guilty) == 1 && len(nobodys) == 0:
		expected(t, guilty[0], want)
	default:
		t.Errorf("faults of sessions %+v, and of nobody %+v; want one of %v, of %s", guilty, nobodys, want.Kinds, cmp.Or(want.Blames, "the guilty session"))
	}
}

func expected(t *testing.T, f hosttest.Fault, want sins.Expectation) {
	t.Helper()
	if !slices.Contains(want.Kinds, f.Kind) || f.At.IsZero() {
		t.Errorf("%+v; want a fault of kind %q", f, want.Kinds)
	}
	if f.Session != 0 && !strings.HasPrefix(f.Peer, "127.66.") {
		t.Errorf("blamed is %q", f.Peer)
	}
	// The frame of a fault that is nobody's held other events too.
	if f.During != want.During && !(f.Session == 0 && strings.HasPrefix(f.During, want.During+" and ")) {
		t.Errorf("during %q, want %q", f.During, want.During)
	}
	if !strings.Contains(f.Text, want.Text) || !strings.Contains(f.Log, want.Log) {
		t.Errorf("text %q, log %q; want %q and %q in them", f.Text, f.Log, want.Text, want.Log)
	}
	if !strings.Contains(f.Text+f.Log, want.Says) {
		t.Errorf("text %q, log %q; want %q in one of them", f.Text, f.Log, want.Says)
	}
	t.Logf("%s", f.Text)
}

// client comes from 127.0.0.1, and does nothing wrong.
var client = from("127.0.0.1")

// from gives a client whose connections come from an address of this machine.
func from(address string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	dial := func(ctx context.Context, network, to string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, to)
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}, Timeout: 30 * time.Second}
}

// fetch may be called by any goroutine.
func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	return fetchFrom(t, client, url)
}

func fetchFrom(t *testing.T, client *http.Client, url string) (status int, body string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Errorf("get %s: %v", url, err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("get %s: %v", url, err)
	}
	return resp.StatusCode, string(b)
}

// TestCrashloopIsKeptOut: a process that dies of whoever comes is not started for each
// of them for ever. The plugin is kept out, status says why and until when, its clients
// are told to come again, and then it works again.
func TestCrashloopIsKeptOut(t *testing.T) {
	const name = "crashloop"
	all := map[string]sins.Expectation{name: expectations(t, sins.Proc)[name]}
	s := startSinners(t, all, func(name string) string { return hosttest.Exec(t, filepath.Join(sinners, name)) })
	url := s.URL("web", "http", "/"+name)
	attackers := 0
	var p hosttest.PluginStatus
	s.Wait("the quarantine of "+name, func() bool {
		attackers++
		fetchFrom(t, from(fmt.Sprintf("127.67.%d.1", attackers)), url+"?sin")
		p = s.Plugin(name)
		return p.State == "quarantined" || attackers == 200
	})
	if p.State != "quarantined" || p.Reason == "" || p.Until.IsZero() {
		t.Fatalf("after %d attackers: state %q, reason %q, until %v", attackers, p.State, p.Reason, p.Until)
	}
	t.Logf("after %d attackers, until %v: %s", attackers, p.Until, p.Reason)
	s.Wait(name+" works again", func() bool {
		status, text := fetch(t, url)
		if status != 200 && status != 503 {
			t.Fatalf("%d %q", status, text)
		}
		return status == 200
	})
	if now := time.Now(); now.Before(p.Until) {
		t.Errorf("it works %v before its time", p.Until.Sub(now))
	}
}
