package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/sample"
)

const (
	loginName   = "camera1"
	loginSecret = "geheim.und-lang"
	credentials = loginName + ":" + loginSecret + "@"
)

// accessYAML has a point for each way to log in, one that anybody may play, and one that nobody here may.
const accessYAML = `
access:
  users_file: users.txt
  rules:
    - {points: [basic], users: [camera1], methods: [basic]}
    - {points: [digest], users: [camera1], methods: [digest]}
    - {points: [sha256], users: [camera1], methods: [digest-sha256]}
    - {points: [any, spare], users: ["*"]}
    - {points: [closed], not_from: [loopback]}
    - {points: [home], users: ["*"], trusted: [loopback]}
` + plugins + `
  basic: {source: push}
  digest: {source: push}
  sha256: {source: push}
  any: {source: push}
  spare: {source: push}
  closed: {source: {url: "file:builtin/demo.asf"}}
  home: {source: {url: "file:builtin/demo.asf"}}
`

// withLogin puts the user's name and password into a URL.
func withLogin(url, login string) string { return strings.Replace(url, "://", "://"+login, 1) }

func guarded(t *testing.T) server {
	t.Helper()
	line, err := access.NewLine(loginName, loginSecret, access.DefaultRealm)
	if err != nil {
		t.Fatal(err)
	}
	return server{hosttest.Start(t, accessYAML, hosttest.WithFile("users.txt", []byte(line+"\n")), hosttest.WithDebugLog())}
}

// pushAs has ffmpeg push with a name and password in its URL, and waits for its media.
func (s server) pushAs(t *testing.T, login, point, how string) {
	t.Helper()
	c := ffmpeg.start(t, picture, how, withLogin(s.http("/"+point), login))
	s.Wait("point "+point+" is live", func() bool {
		if c.ended() {
			t.Fatalf("%s: ended with %v\n%s", c.cmd, c.err, c.log.String())
		}
		return s.Point(point).State == "live"
	})
}

// TestAccess: encoders and players log in by Basic and Digest, whichever they know, with the credentials of their URLs; whoever cannot is told so, and nowhere
// does the server keep what they said.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := guarded(t)
	taken := s.tapAll(t, "push", "http")
	t.Run("clients", func(t *testing.T) {
		s.pushAs(t, credentials, "any", wmv+framed)
		for _, point := range []string{"basic", "digest"} {
			t.Run("ffmpeg pushes by "+point, func(t *testing.T) {
				t.Parallel()
				s.pushAs(t, credentials, point, wmv+framed)
			})
		}
		t.Run("curl pushes by sha256", func(t *testing.T) {
			t.Parallel()
			s.uploadSHA256(t)
		})
		for name, login := range map[string]string{"no login": "", "wrong password": loginName + ":x@", "no such user": "nobody:x@"} {
			t.Run("ffmpeg pushes with "+name, func(t *testing.T) {
				t.Parallel()
				soon(t, ffmpeg.run(t, picture, wmv+framed, withLogin(s.http("/spare"), login)).failed())
			})
		}
		s.WaitMedia("any", time.Second)
		url := withLogin(s.http("/any"), credentials)
		for name, play := range map[string]func(t *testing.T){
			"ffmpeg":    func(t *testing.T) { ffmpegPlays(t, url) },
			"vlc":       func(t *testing.T) { vlcPlays(t, url) },
			"mpv":       func(t *testing.T) { mpvPlays(t, url, "(wmv2") },
			"mplayer":   func(t *testing.T) { mplayerPlays(t, url) },
			"gstreamer": func(t *testing.T) { gstPlays(t, url) },
		} {
			t.Run(name+" plays", func(t *testing.T) {
				t.Parallel()
				play(t)
			})
		}
		for point, why := range map[string]string{"any": "nobody can log in by MMS", "closed": "its address is refused"} {
			t.Run("mmst of "+point+": "+why, func(t *testing.T) {
				t.Parallel()
				soon(t, ffmpeg.run(t, "-nostdin -i", s.URL("mms", "mmst", "/"+point), "-t 1 -f null -").failed())
			})
		}
		t.Run("mmst of home, where it is trusted", func(t *testing.T) {
			t.Parallel()
			ffmpegPlays(t, s.URL("mms", "mmst", "/home"))
		})
		t.Run("curl asks", func(t *testing.T) {
			t.Parallel()
			s.curlAsks(t)
		})
	})
	if p := s.Point("spare"); p.Sources != 0 || p.State == "live" {
		t.Errorf("who could not log in has published: %+v", p)
	}
	s.keepsNoSecret(t, taken())
}

// uploadSHA256 has curl, which knows it, log in by Digest with SHA-256.
func (s server) uploadSHA256(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "film.asf")
	if err := os.WriteFile(file, sample.Demo(), 0o600); err != nil {
		t.Fatal(err)
	}
	curl.run(t, "-sS -i --digest -u", loginName+":"+loginSecret, "-T", file, s.http("/sha256")).succeeded().says("401 Unauthorized").says("algorithm=SHA-256").says("200 OK")
}

// curlAsks: what each answer is, and what it says.
func (s server) curlAsks(t *testing.T) {
	t.Helper()
	const user = "-u " + loginName + ":" + loginSecret
	for _, c := range []struct{ how, path, status, says string }{
		{"", "/any", "401", `Basic realm="weir"`},
		{"-u " + loginName + ":x", "/any", "401", "no such user"},
		{"", "/any.asx", "401", "a login is needed"},
		{user, "/any.asx", "200", "<asx"},
		{user + " --digest", "/any.asx", "200", "<asx"},
		{user + " --anyauth", "/digest.asx", "200", "<asx"},
		{user, "/digest.asx", "401", "Digest realm="}, // by Basic, which is not offered there
		{"", "/closed", "403", "your address"},
		{user, "/closed.asx", "403", "your address"},
		{"--data-binary x", "/spare", "401", "Connection: close"},
	} {
		out := strings.ToLower(curl.run(t, "-sS -i", c.how, s.http(c.path)).out.String())
		if !strings.Contains(out, "http/1.1 "+c.status) || !strings.Contains(out, strings.ToLower(c.says)) {
			t.Errorf("curl %s %s: %s\nwant %s and %q", c.how, c.path, out, c.status, c.says)
		}
	}
}

// tapAll records plugins until the function that it gives is called, which gives all that was recorded.
func (s server) tapAll(t *testing.T, names ...string) func() []byte {
	t.Helper()
	client, err := admin.NewClient(s.Admin(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	outs, done := make([]output, len(names)), make(chan error, len(names))
	for i, name := range names {
		go func() {
			_, err := client.RecordPlugin(ctx, name, admin.Recording{For: 5 * time.Minute}, &outs[i])
			done <- err
		}()
	}
	s.Wait("the recordings begin", func() bool { return strings.Count(s.Log(), "plugin is recorded") == len(names) })
	return func() (all []byte) {
		stop()
		for range names {
			<-done
		}
		for i := range outs {
			all = append(all, outs[i].bytes()...)
		}
		return all
	}
}

var digestResponse = regexp.MustCompile(`response="?[0-9a-fA-F]{16,}`)

// keepsNoSecret looks for passwords, in any form, wherever the server tells of what happened.
func (s server) keepsNoSecret(t *testing.T, recorded []byte) {
	t.Helper()
	if !bytes.Contains(recorded, []byte("/basic")) || !bytes.Contains(recorded, []byte(loginName)) {
		t.Errorf("%d bytes were recorded, without the requests or who made them", len(recorded))
	}
	told := map[string][]byte{"log": []byte(s.Log()), "recording": recorded}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(s.Admin(), "unix:"))
	}}}
	for _, path := range []string{"/v1/status", "/v1/sessions", "/metrics"} {
		resp, err := client.Get("http://weir" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, resp.Status, err)
		}
		told[path] = b
	}
	for where, text := range told {
		for what, secret := range map[string]string{"password": loginSecret, "Basic": base64.StdEncoding.EncodeToString([]byte(loginName + ":" + loginSecret))} {
			if i := bytes.Index(text, []byte(secret)); i >= 0 {
				t.Errorf("%s holds the %s: %q", where, what, text[max(0, i-100):i])
			}
		}
		if found := digestResponse.Find(text); found != nil {
			t.Errorf("%s holds %q", where, found)
		}
	}
	if !bytes.Contains(told["/metrics"], []byte(`weir_access_judged_total{action="publish",answer="wrong"}`)) || !bytes.Contains(told["log"], []byte("access refused")) {
		t.Error("neither metrics nor log tell of refused logins")
	}
}
