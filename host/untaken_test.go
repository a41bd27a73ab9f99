package host

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio/inherit"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// TestApplyLeavesInheritedSocket: an inherited socket that a change leaves to nobody is
// told of, by plan and apply; a listener that gets its address back has it, by whatever
// name.
func TestApplyLeavesInheritedSocket(t *testing.T) {
	dir := t.TempDir()
	yaml := func(listeners string) string {
		return "admin: {socket: \"" + filepath.Join(dir, "s") + "\"}\nlisteners: {" + listeners + "}\n"
	}
	c, err := config.Options{}.Parse("f.yaml", dir, []byte(yaml("")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := Start(t.Context(), Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Tests: TestOptions{Config: c}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	opened, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := opened.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	opened.Close()
	set, err := inherit.Of([]*os.File{file}, []string{""})
	if err != nil {
		t.Fatal(err)
	}
	s.inherited = append(s.inherited, set)
	at := opened.Addr().String()
	warns := func(p admin.Plan) bool {
		return slices.ContainsFunc(p.Warnings, func(w string) bool {
			return strings.Contains(w, "no listener takes an inherited socket") && strings.Contains(w, at)
		})
	}
	for i, step := range []struct {
		listeners string
		warns     bool
	}{
		{fmt.Sprintf("web: {address: %q}", at), false},
		{fmt.Sprintf("web: {address: %q, fallback: {files: .}}", at), false},
		{fmt.Sprintf("site: {address: %q}", at), false},
		{"", true},
		{fmt.Sprintf("other: {address: %q}", at), false},
	} {
		log.Reset()
		p := admin.Proposal{File: "f.yaml", Dir: dir, Text: yaml(step.listeners)}
		plan, err := s.PlanConfig(p)
		if err != nil || warns(plan) != step.warns {
			t.Errorf("%d: plan %+v, %v", i, plan, err)
		}
		plan, err = s.ApplyConfig(p)
		if err != nil || warns(plan) != step.warns || strings.Contains(log.String(), untaken) != step.warns {
			t.Errorf("%d: apply %+v, %v, log %s", i, plan, err, log.String())
		}
		for _, l := range s.listenerList() {
			if l.State != admin.ListenerOpen || l.Rung != string(rungInherited) {
				t.Errorf("%d: %+v", i, l)
			}
		}
	}
}

// TestRefusalsAreLoggedByApply: each refusal has its reason in the log, however soon it follows
// another one.
func TestRefusalsAreLoggedByApply(t *testing.T) {
	dir := t.TempDir()
	text := "admin: {socket: \"" + filepath.Join(dir, "s") + "\"}\nlisteners: {}\n"
	c, err := config.Options{}.Parse("f.yaml", dir, []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	to, summary := telemetry.OpenLog(&log, slog.LevelInfo)
	s, err := Start(t.Context(), Options{Log: to, Tests: TestOptions{Config: c}})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"points: {a: {source: pusch}}", "points: {b: {source: pusch}}", "points: {a: {source: pusch}}"} {
		if _, err = s.ApplyConfig(admin.Proposal{File: "f.yaml", Dir: dir, Text: text + bad}); err == nil {
			t.Error("a bad configuration is in force")
		}
	}
	if err = s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	summary.Close()
	for _, want := range []string{"points.a.source", "points.b.source"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, log.String())
		}
	}
	if n := strings.Count(log.String(), "points.a.source"); n != 2 {
		t.Errorf("a repeated refusal is told of %d times with its reason:\n%s", n, log.String())
	}
}
