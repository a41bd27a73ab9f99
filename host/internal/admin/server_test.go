package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const secret = "0123456789abcdef"

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustOpen(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Backend == nil {
		o.Backend = &fakeServer{state: PluginRunning}
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSocketIsTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	s := mustOpen(t, Options{Socket: path})
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("socket: %v, %v; want mode 0600", st.Mode(), err)
	}
	c, err := NewClient("unix:"+path, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Status(context.Background()); err != nil || got.Version != "1.2.3" {
		t.Fatalf("status: %+v, %v", got, err)
	}
	s.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close the socket file is still there: %v", err)
	}
	if _, err := c.Status(context.Background()); err == nil || !strings.Contains(err.Error(), "no server answers at unix:"+path) {
		t.Errorf("status of a closed server: %v", err)
	}
}

func TestOrphanedSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as a killed server leaves it
	dead.Close()
	s := mustOpen(t, Options{Socket: path})
	if s.Socket() == nil || s.Address() != nil || s.Metrics() != nil {
		t.Errorf("open at %v, %v, %v", s.Socket(), s.Address(), s.Metrics())
	}
}

func TestLiveSocketIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	mustOpen(t, Options{Socket: path})
	if _, err := Open(Options{Socket: path, Backend: &fakeServer{}}); !errors.Is(err, ErrInUse) {
		t.Fatalf("second server: %v; want %v", err, ErrInUse)
	}
	c, _ := NewClient("unix:"+path, "")
	if _, err := c.Status(context.Background()); err != nil {
		t.Errorf("the first server is harmed: %v", err)
	}
}

func TestOtherFilesAreNotReplaced(t *testing.T) {
	path := tokenFile(t, "precious")
	if _, err := Open(Options{Socket: path, Backend: &fakeServer{}}); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("socket over a file: %v", err)
	}
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

func TestOpenIsAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Open(Options{Socket: path, Metrics: taken.Addr().String(), Backend: &fakeServer{}})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("open: %v; want address in use", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket file is left behind: %v", err)
	}
}

func TestTokenFiles(t *testing.T) {
	for text, want := range map[string]string{"": "holds 0 characters", "short": "at least 16", secret + " " + secret: "more than one word"} {
		_, err := Open(Options{Address: "127.0.0.1:0", TokenFile: tokenFile(t, text), Backend: &fakeServer{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("token %q: %v; want %q", text, err, want)
		}
	}
	if _, err := Open(Options{Address: "127.0.0.1:0", Backend: &fakeServer{}}); err == nil || !strings.Contains(err.Error(), "token_file") {
		t.Errorf("no token file: %v", err)
	}
}

func TestTCPNeedsTokenHostAndOrigin(t *testing.T) {
	s := mustOpen(t, Options{Address: "127.0.0.1:0", TokenFile: tokenFile(t, secret+"\n")})
	at := s.Address().String()
	_, port, _ := net.SplitHostPort(at)
	for _, c := range []struct {
		host, origin, authorization string
		want                        int
	}{
		{at, "", "Bearer " + secret, 200},
		{"localhost:" + port, "", "bearer " + secret, 200},
		{"[::1]:" + port, "", "Bearer " + secret, 200},
		{at, "http://" + at, "Bearer " + secret, 200},
		{at, "", "", 401},
		{at, "", "Bearer " + secret + "0", 401},
		{at, "", "Basic " + secret, 401},
		{at, "http://evil.example", "Bearer " + secret, 403},
		{at, "null", "Bearer " + secret, 403},
		{"evil.example", "", "Bearer " + secret, 421},
		{"evil.example:" + port, "http://evil.example:" + port, "Bearer " + secret, 421},
	} {
		r, err := http.NewRequest(http.MethodGet, "http://"+at+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		for k, v := range map[string]string{"Origin": c.origin, "Authorization": c.authorization} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != c.want {
			t.Errorf("%+v: %d", c, answer.StatusCode)
		}
	}
}

func TestMetricsAddress(t *testing.T) {
	s := mustOpen(t, Options{Metrics: "127.0.0.1:0", Exporter: http.NotFoundHandler()})
	for path, want := range map[string]int{"/healthz": 200, "/v1/status": 404} {
		answer, err := http.Get("http://" + s.Metrics().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %d; want %d", path, answer.StatusCode, want)
		}
	}
}

func TestCloseWaitsForRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	b := &fakeServer{hold: make(chan struct{}), held: make(chan struct{})}
	s := mustOpen(t, Options{Socket: path, Backend: b})
	c, _ := NewClient("unix:"+path, "")
	asked := make(chan error)
	go func() {
		_, err := c.Status(context.Background())
		asked <- err
	}()
	<-b.held
	closed := make(chan struct{})
	go func() {
		s.Close()
		close(closed)
	}()
	if err := <-asked; err == nil {
		t.Error("the request was answered, though its handler still waits")
	}
	select {
	case <-closed:
		t.Error("Close returned while a handler was at work")
	default:
	}
	close(b.hold)
	<-closed
}

func TestClient(t *testing.T) {
	b := &fakeServer{state: PluginRunning}
	s := mustOpen(t, Options{Address: "127.0.0.1:0", TokenFile: tokenFile(t, secret), Backend: b})
	ctx := context.Background()
	c, err := NewClient(s.Address().String(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.DisablePlugin(ctx, "wmsp", "noon & later"); err != nil || p.State != PluginDisabled || p.Reason != "noon & later" {
		t.Errorf("disable: %+v, %v", p, err)
	}
	if p, err := c.EnablePlugin(ctx, "wmsp"); err != nil || p.State != PluginRunning {
		t.Errorf("enable: %+v, %v", p, err)
	}
	if p, err := c.ReloadPlugin(ctx, "wmsp", true); err != nil || p.To.Generation != 2 || p.Note != "forced" {
		t.Errorf("reload: %+v, %v", p, err)
	}
	var answer *AnswerError
	if _, err := c.EnablePlugin(ctx, "a/b"); !errors.As(err, &answer) || answer.Status != http.StatusNotFound || answer.Text != `plugin "a/b": not found` {
		t.Errorf("enable a plugin that is not there: %v", err)
	}
	if all, err := c.Sessions(ctx, "live"); err != nil || len(all) != 1 || all[0].ID != 5 {
		t.Errorf("sessions: %+v, %v", all, err)
	}
	if all, err := c.Ports(ctx); err != nil || len(all) != 1 {
		t.Errorf("ports: %+v, %v", all, err)
	}
	if mediaType, body, err := c.Announce(ctx, "live", "asx", "h:1"); err != nil || mediaType != "video/x-ms-asf" || string(body) != "<asx>h:1/live</asx>" {
		t.Errorf("announce: %q %q, %v", mediaType, body, err)
	}
	stranger, _ := NewClient(s.Address().String(), "")
	if _, err := stranger.Status(ctx); !errors.As(err, &answer) || !strings.Contains(answer.Text, "WEIR_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
	for _, bad := range []string{"", "unix:", "host", "host:"} {
		if _, err := NewClient(bad, ""); err == nil {
			t.Errorf("address %q is taken", bad)
		}
	}
}
