package host_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
)

const templated = `
listeners:
  web: {address: "127.0.0.1:0"}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["studio/*"]}}
  asf: {module: "builtin:asf"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
points:
  news: {source: push}
`

// pushFilm pushes the sample film to a point, and leaves the body open until the test's end.
func pushFilm(t *testing.T, s *hosttest.Server, name string) (leave func()) {
	t.Helper()
	body, feed := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err := http.Post(s.URL("web", "http", "/"+name), "video/x-ms-asf", body)
		if err == nil {
			r.Body.Close()
		}
		body.CloseWithError(io.ErrClosedPipe)
	}()
	if _, err := io.Copy(feed, bytes.NewReader(sample.Demo()[:300_000])); err != nil {
		t.Fatalf("push to %s: %v", name, err)
	}
	leave = func() {
		feed.CloseWithError(io.EOF)
		<-done
	}
	t.Cleanup(leave)
	return leave
}

func pointNames(s *hosttest.Server) (all []string) {
	for _, p := range s.Status().Points {
		all = append(all, p.Name)
	}
	return all
}

// TestTemplatesApply: templates come, change and go while encoders feed what was made from
// them; a configuration that names such a point keeps it, source, viewers and all.
func TestTemplatesApply(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, templated)
	const with = templated + "templates: {\"studio/*\": {grace: 1s, limits: {viewers: 3}}}\n"
	plan, err := s.Apply(with)
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].What != "template" || plan.Changes[0].Name != "studio/*" || len(plan.Changes[0].Keys) == 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
	leave := pushFilm(t, s, "studio/1")
	s.WaitPoint("studio/1", "live")
	other := pushFilm(t, s, "studio/2")
	s.WaitPoint("studio/2", "live")
	if p := s.Point("studio/1"); p.Template != "studio/*" || p.MaxViewers != 3 {
		t.Errorf("%+v", p)
	}

	plan, err = s.Apply(templated + "templates: {\"studio/*\": {grace: 1s, limits: {viewers: 4}}}\n")
	if err != nil || len(plan.Changes) != 1 || len(plan.Sessions) != 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if p := s.Point("studio/1"); p.MaxViewers != 4 || p.State != "live" {
		t.Errorf("%+v", p)
	}

	plan, err = s.Apply(templated + "  studio/1: {source: push, grace: 1s}\n")
	if err != nil || len(plan.Changes) != 2 || len(plan.Sessions) != 0 {
		t.Fatalf("%+v, %v", plan, err)
	}
	for _, name := range []string{"studio/1", "studio/2"} {
		if p := s.Point(name); p.State != "live" || p.Sources != 1 {
			t.Errorf("%s is %s, fed by %d", name, p.State, p.Sources)
		}
	}
	leave()
	other()
	s.WaitPoint("studio/1", "idle")
	s.Wait("the point that was made is gone", func() bool { return !slices.Contains(pointNames(s), "studio/2") })
	if all := pointNames(s); !slices.Equal(all, []string{"news", "studio/1"}) {
		t.Errorf("points %q", all)
	}
	r, err := http.Post(s.URL("web", "http", "/studio/3"), "video/x-ms-asf", bytes.NewReader(sample.Demo()))
	if err != nil {
		return // it is refused by a reset
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNotFound {
		t.Errorf("a template that is gone: %s", r.Status)
	}
}

// TestTemplatesNamed: a point that was made from a template, and that a configuration names
// then, is stopped, or gets another source, as the configuration says.
func TestTemplatesNamed(t *testing.T) {
	t.Parallel()
	const with = "templates: {\"studio/*\": {grace: 1s}}\n"
	const plugins = "  file: {module: \"builtin:file\", grant: {publish: [\"*\"], read: [\"builtin/*\"]}}\n"
	yaml := strings.Replace(templated, "points:\n", plugins+"points:\n", 1)
	s := hosttest.Start(t, yaml+with)
	pushFilm(t, s, "studio/1")
	s.WaitPoint("studio/1", "live")
	pushFilm(t, s, "studio/2")
	s.WaitPoint("studio/2", "live")
	plan, err := s.Apply(yaml + "  studio/1: {source: push, enabled: false}\n  studio/2: {source: {url: \"file:builtin/demo.asf\"}}\n" + with)
	if err != nil || len(plan.Changes) != 2 || !strings.Contains(plan.Changes[0].Note, "its source and viewers end") || !strings.Contains(plan.Changes[1].Note, "its source ends") {
		t.Fatalf("%+v, %v", plan, err)
	}
	if p := s.Point("studio/1"); p.State != "stopped" || !strings.HasPrefix(p.Reason, "enabled: false in ") {
		t.Errorf("studio/1 is %+v", p)
	}
	s.Wait("studio/2 is fed by the file", func() bool { return strings.Contains(s.Point("studio/2").Source, "file") })
}
