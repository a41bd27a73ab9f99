package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weir-media/weir/host/internal/admin"
)

// scripted is a server with one plugin, "mine".
type scripted struct {
	mu     sync.Mutex
	plugin admin.Plugin

	pointState, pointReason string
}

func (s *scripted) Status() admin.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return admin.Status{Version: "1.2.3", Plugins: []admin.Plugin{s.plugin}, Points: []admin.Point{{Name: "live", State: cmp.Or(s.pointState, "idle"), Reason: s.pointReason}}}
}

func (s *scripted) Sessions(string) []admin.Session { return []admin.Session{{ID: 8, Peer: "peer"}} }

func (s *scripted) Ports() []admin.Port {
	return []admin.Port{{Direction: admin.In, Protocol: "tcp", Address: "*", Port: "80", Purpose: "HTTP"}}
}

func (s *scripted) set(name, state, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != s.plugin.Name {
		return fmt.Errorf("there is no plugin %q: %w", name, admin.ErrNotFound)
	}
	s.plugin.State, s.plugin.Reason = state, reason
	return nil
}

func (s *scripted) PlanConfig(p admin.Proposal) (admin.Plan, error) {
	if strings.HasPrefix(p.Text, "bad") {
		return admin.Plan{}, fmt.Errorf("%s:1: bad: unknown key\n%w", p.File, admin.ErrRefused)
	}
	return proposed(p.File + " in " + p.Dir), nil
}

func (s *scripted) ApplyConfig(p admin.Proposal) (admin.Plan, error) {
	plan, err := s.PlanConfig(p)
	plan.Applied = err == nil
	return plan, err
}

func (s *scripted) EnablePlugin(name string) error { return s.set(name, admin.PluginRunning, "") }

func (s *scripted) DisablePlugin(name, reason string) error {
	return s.set(name, admin.PluginDisabled, reason)
}

func (s *scripted) ReloadPlugin(name string, force bool) (admin.PluginChange, error) {
	if name == "mine" && force {
		return admin.PluginChange{Name: name, Note: "forced"}, nil
	}
	return admin.PluginChange{Name: name, From: admin.Build{Version: "1", Generation: 1}, To: admin.Build{Version: "2", Generation: 2}, Sessions: 4},
		s.set(name, admin.PluginRunning, "")
}

func (s *scripted) RecordPlugin(_ context.Context, name string, o admin.Recording, w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s for %v", name, o.For)
	return errors.Join(err, s.set(name, admin.PluginRunning, ""))
}

func (s *scripted) Announce(point, format, authority string) (string, []byte, error) {
	return "text/plain", fmt.Appendf(nil, "%s %s %s\n", point, format, authority), nil
}

func (s *scripted) Faults(plugin string) ([]admin.Fault, error) {
	if plugin != "" && plugin != s.plugin.Name {
		return nil, fmt.Errorf("there is no plugin %q: %w", plugin, admin.ErrNotFound)
	}
	return sampleFaults(), nil
}

func (s *scripted) Fault(id uint64) (admin.Fault, error) {
	for _, f := range sampleFaults() {
		if f.ID == id {
			return f, nil
		}
	}
	return admin.Fault{}, fmt.Errorf("fault %d: %w", id, admin.ErrNotFound)
}

func (s *scripted) RecordFault(id uint64) ([]byte, error) {
	_, err := s.Fault(id)
	return []byte("a recording"), err
}

func (s *scripted) Ready() error { return nil }

const secret = "0123456789abcdef"

// serving starts the admin API of a scripted server in the current folder.
func serving(t *testing.T) *admin.Server {
	t.Helper()
	write(t, "token", secret+"\n")
	s, err := admin.Open(admin.Options{Backend: &scripted{plugin: admin.Plugin{Name: "mine", State: admin.PluginRunning}},
		Socket: "weir.sock", Address: "127.0.0.1:0", TokenFile: "token"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestCommandsAskTheServer(t *testing.T) {
	t.Chdir(t.TempDir())
	serving(t)
	write(t, "good.yaml", "good: 1\n")
	write(t, "bad.yaml", "bad: 1\n")
	for _, c := range []struct {
		line string
		code int
		says string
	}{
		{"status", 0, "weir 1.2.3"},
		{"sessions --point live", 0, "peer"},
		{"sessions --point dead", 1, `point "dead": not found`},
		{"ports", 0, "HTTP"},
		{"ports --nft", 0, "tcp dport 80 accept"},
		{"announce live asx --authority h:80", 0, "live asx h:80\n"},
		{"plugin disable mine --reason maintenance", 0, "plugin mine is disabled: maintenance\n"},
		{"plugin enable mine", 0, "plugin mine is running\n"},
		{"plugin reload mine", 0, "plugin mine: 1 generation 1 () -> 2 generation 2 (), 4 sessions went over\n"},
		{"plan -c good.yaml", 0, "would touch 3 sessions: 1 ends, 2 move to a new generation"},
		{"apply -c good.yaml", 0, "in force; touched 3 sessions: 1 ends"},
		{"plan -c bad.yaml", 1, "bad.yaml:1: bad: unknown key\nnothing has changed"},
		{"apply -c bad.yaml", 1, "bad.yaml:1: bad: unknown key\nnothing has changed"},
		{"plan -c none.yaml", 1, "read configuration: open none.yaml"},
		{"plan", 2, "name it with -c FILE"},
		{"apply", 2, "see: weir apply --help"},
		{"plugin reload mine --force", 0, "plugin mine: nothing -> nothing, 0 sessions went over\n  note: forced\n"},
		{"plugin reload yours", 1, `there is no plugin "yours"`},
	} {
		code, out, errOut := weir(strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(out+errOut, c.says) {
			t.Errorf("weir %s: exit %d, %q %q; want %d, %q", c.line, code, out, errOut, c.code, c.says)
		}
		if c.code != 0 {
			continue
		}
		if _, out, errOut := weir(append(strings.Fields(c.line), "--json")...); !strings.Contains(c.line, "--nft") && !json.Valid([]byte(out)) {
			t.Errorf("weir %s --json: %q %q", c.line, out, errOut)
		}
	}
}

// TestFolderOfAProposal: only where the server is on this computer for certain does the folder mean something.
func TestFolderOfAProposal(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	at := serving(t).Address().String()
	write(t, "good.yaml", "good: 1\n")
	t.Setenv(tokenVariable, secret)
	if _, out, errOut := weir("plan", "-c", "./good.yaml", "--json", "--admin", "unix:weir.sock"); !strings.Contains(out, filepath.Join(dir, "good.yaml")+" in "+dir) {
		t.Errorf("by socket: %s%s", out, errOut)
	}
	if _, out, errOut := weir("plan", "-c", dir+"/good.yaml", "--json", "--admin", at); !strings.Contains(out, `"good.yaml in "`) {
		t.Errorf("by TCP: %s%s", out, errOut)
	}
}

func TestWhereTheServerIs(t *testing.T) {
	t.Chdir(t.TempDir())
	at := serving(t).Address().String()
	for _, c := range []struct {
		name, file, token string
		args              []string
		code              int
	}{
		{"no file", "", "", nil, 0},
		{"socket of the file", "admin: {socket: weir.sock}", "", nil, 0},
		{"another socket", "admin: {socket: other.sock}", "", nil, 1},
		{"address and token file", "admin: {address: \"" + at + "\", token_file: token}", "", nil, 0},
		{"no such token file", "admin: {address: \"" + at + "\", token_file: none}", "", nil, 1},
		{"token in the environment", "admin: {address: \"" + at + "\", token_file: none}", secret, nil, 0},
		{"wrong token", "", "x", []string{"--admin", at}, 1},
		{"the flag wins", "admin: {socket: other.sock}", "", []string{"--admin", "unix:weir.sock"}, 0},
		{"not YAML", "admin: [", "", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, configFile, c.file)
			t.Setenv(tokenVariable, c.token)
			if code, _, errOut := weir(append([]string{"status"}, c.args...)...); code != c.code {
				t.Errorf("exit %d, %q; want %d", code, errOut, c.code)
			}
		})
	}
	t.Run("the environment overrides", func(t *testing.T) {
		write(t, configFile, "admin: {socket: other.sock}")
		t.Setenv("WEIR_ADMIN__SOCKET", "./weir.sock")
		if code, _, errOut := weir("status"); code != 0 {
			t.Errorf("exit %d, %q", code, errOut)
		}
	})
}
