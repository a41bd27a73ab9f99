package hosttest_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

const hello = `
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  hello: {module: "builtin:hello", listeners: [web]}
`

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestPluginFromFolder(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, hello, hosttest.WithPlugin("hello", "../../testplugins/hello"))
	if code, body := get(t, s.URL("web", "http", "/hello?name=weir")); code != 200 || !strings.HasPrefix(body, "hello, weir") {
		t.Fatalf("answer %d %q", code, body)
	}
	if err := s.Disable("hello", "a test"); err != nil {
		t.Fatal(err)
	}
	if p := s.Plugin("hello"); p.State != "disabled" || p.Reason != "a test" {
		t.Fatalf("state %q, reason %q", p.State, p.Reason)
	}
	if code, body := get(t, s.URL("web", "http", "/hello")); code != 503 {
		t.Fatalf("answer %d %q of a disabled plugin", code, body)
	}
	if err := s.Enable("hello"); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(t, s.URL("web", "http", "/hello")); code != 200 {
		t.Fatalf("answer %d after Enable", code)
	}
}

func TestModuleFile(t *testing.T) {
	t.Parallel()
	module := hosttest.Build(t, "../../testplugins/hello")
	path := filepath.Join(t.TempDir(), "hello.wasm")
	if err := os.WriteFile(path, module, 0o600); err != nil {
		t.Fatal(err)
	}
	s := hosttest.Start(t, hello, hosttest.WithPlugin("hello", path))
	if code, _ := get(t, s.URL("web", "http", "/hello")); code != 200 {
		t.Fatalf("answer %d", code)
	}
	before := s.Plugin("hello").Generation
	if err := s.Reload("hello"); err != nil {
		t.Fatal(err)
	}
	if after := s.Plugin("hello").Generation; after == before {
		t.Fatalf("generation %d before and after a reload", after)
	}
	s.Replace("hello", module[:100])
	if err := s.Reload("hello"); err == nil {
		t.Fatal("a broken module was taken")
	}
	if code, _ := get(t, s.URL("web", "http", "/hello")); code != 200 {
		t.Fatalf("answer %d after a refused reload", code)
	}
}

func TestFirstPartyPlugins(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, `
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  asf: {module: "builtin:asf"}
  file: {module: "builtin:file", grant: {publish: ["demo"], read: ["film.asf"]}}
points:
  demo: {source: {url: "file:film.asf"}}
`, hosttest.WithFile("film.asf", film(t)))
	s.WaitPoint("demo", "live")
	s.WaitViewers("demo", 0)
}

func film(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../sample/demo.asf")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
