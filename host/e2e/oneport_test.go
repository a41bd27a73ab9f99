//go:build linux

package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// site is a web server in front of weir's upstream: a page, a file to download, a WebSocket, and what weir says of its clients.
const site = `
server {
	listen 127.0.0.1:PORT;
	root FOLDER;
	location /ws/ {
		proxy_pass http://127.0.0.1:ECHO;
		proxy_http_version 1.1;
		proxy_set_header Upgrade $http_upgrade;
		proxy_set_header Connection $connection_upgrade;
	}
	location /seen/ { return 200 "for=$http_x_forwarded_for proto=$http_x_forwarded_proto host=$http_x_forwarded_host\n"; }
	location /up/ { dav_methods PUT; create_full_put_path on; client_max_body_size 100m; }
}
`

// fileBytes is the size of what is downloaded. Chosen: more than sockets hold, so that it streams.
const fileBytes = 8 << 20

// noise gives bytes that are the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// TestOnePort has everything on one TCP port at once, each by a real client: an encoder, an mmsh and a plain HTTP viewer, an announcement, MQTT known
// by its bytes, and behind the listener's fallback a web server with a page, a file in ranges and a WebSocket.
func TestOnePort(t *testing.T) {
	t.Parallel()
	for _, p := range []program{ffmpeg, curl, nginx, mosquitto} {
		p.need(t)
	}
	folder, film := openFolder(t), noise(fileBytes)
	for name, content := range map[string][]byte{"index.html": []byte("<html>a page</html>\n"), "film.bin": film} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	startNginx(t, folder, strings.NewReplacer("PORT", port, "FOLDER", folder, "ECHO", startEcho(t)).Replace(site), exec.Command)
	config := strings.Replace(plugins, `"127.0.0.1:0"`, `"127.0.0.1:0", fallback: {upstream: "http://127.0.0.1:`+port+`"}`, 1)
	config = strings.Replace(config, "points:", `  mqtt: {module: "builtin:mqtt", listeners: [web], grant: {attach: ["*"]}}
points:
  live: {source: push}
  other: {source: push}
`, 1)
	s := server{hosttest.Start(t, config, hosttest.WithPlugin("mqtt", "../../testplugins/mqtt"))}

	encoder := s.push(t, "live", wmv+framed)
	viewers := []*process{
		ffmpeg.start(t, progress, "-i", s.mmsh("/live"), "-f null -"),
		ffmpeg.start(t, progress, "-i", s.http("/live"), "-f null -"),
	}
	subscriber := mosquitto.start(t, "-h 127.0.0.1 -t points/other -F %r,%p -p", strconv.Itoa(s.Port("web")))
	socket := talkTo(t, s.URL("web", "ws", "/ws/"))
	for _, c := range viewers {
		c.waitFrames(1)
	}

	socket.echoes("before")
	curlTakesASX(t, s)
	downloads(t, s.http("/film.bin"), film)
	pages(t, s, folder, film)
	told(t, subscriber, "1,idle")
	curl.start(t, "-sS -N", s.URL("web", "mqtt", "/points/live")).tells("live")
	curl.run(t, "-sS -N -m 5", s.URL("web", "mqtt", "/points/nix")).failed()

	socket.echoes("between")
	other := s.push(t, "other", h264+ts)
	told(t, subscriber, "0,live")
	other.kill()
	told(t, subscriber, "0,waiting")
	framesOf(t, viewers, enough)
	for _, c := range viewers {
		c.undamaged()
	}
	socket.echoes("after")
	socket.bye()
	if encoder.ended() {
		t.Errorf("the encoder ended with %v", encoder.err)
	}
	for _, name := range []string{"mqtt", "push", "wmsp", "http", "asx"} {
		if p := s.Plugin(name); p.State != "running" || p.Faults > 0 {
			t.Errorf("plugin %s is %s with %d faults: %+v", name, p.State, p.Faults, p.LastFault)
		}
	}
}

// tells waits until the client has printed a text.
func (c *process) tells(text string) *process {
	c.t.Helper()
	hosttest.Eventually(c.t, c.cmd.String()+" says "+text, func() bool { return strings.Contains(c.out.String(), text) || c.ended() })
	return c.says(text)
}

// told waits until a subscriber's last message is this one: whether it is retained, and the point's state.
func told(t *testing.T, subscriber *process, message string) {
	t.Helper()
	hosttest.Eventually(t, "the message "+message, func() bool { return strings.HasSuffix(subscriber.out.String(), message+"\n") || subscriber.ended() })
	subscriber.says(message)
}

// pages: what a browser asks a web site for, through the proxy.
func pages(t *testing.T, s server, folder string, film []byte) {
	t.Helper()
	curl.run(t, "-sS -i", s.http("/")).succeeded().says("200 OK").says("<html>a page</html>")
	curl.run(t, "-sS -i", s.http("/no/such/page")).says("404").says("nginx")
	curl.run(t, "-sS", s.http("/seen/")).succeeded().says("for=127.0.0.1 proto=http host=" + s.Addr("web"))
	upload := filepath.Join(t.TempDir(), "film")
	if err := os.WriteFile(upload, film, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, how := range map[string]string{"sized": "", "chunked": "-H Transfer-Encoding:chunked"} {
		curl.run(t, "-sS -f", how, "-T", upload, s.http("/up/"+name)).succeeded()
		if b, err := os.ReadFile(filepath.Join(folder, "up", name)); err != nil || !bytes.Equal(b, film) {
			t.Errorf("%s upload: %d of %d bytes arrived (%v)", name, len(b), len(film), err)
		}
	}
}

// downloads has curl fetch a file whole, in ranges, and from where a transfer broke off.
func downloads(t *testing.T, url string, film []byte) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []struct {
		name, how, status string
		from, to          int
	}{
		{"whole", "", "200", 0, len(film)},
		{"middle", "-r 1000000-2999999", "206", 1_000_000, 3_000_000},
		{"first", "-r 0-0", "206", 0, 1},
		{"last", "-r -4096", "206", len(film) - 4096, len(film)},
	} {
		file := filepath.Join(dir, d.name)
		curl.run(t, "-sS -D -", d.how, "-o", file, url).succeeded().says(" " + d.status)
		same(t, d.name, file, film[d.from:d.to])
	}
	file := filepath.Join(dir, "resumed")
	if err := os.WriteFile(file, film[:fileBytes/3], 0o600); err != nil {
		t.Fatal(err)
	}
	curl.run(t, "-sS -D - -C - -o", file, url).succeeded().says(" 206")
	same(t, "resumed", file, film)
	curl.run(t, "-sS -D - -r", strconv.Itoa(len(film))+"-", "-o", file, url).says(" 416")
}

func same(t *testing.T, name, file string, want []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("%s: %d bytes, %d expected (%v)", name, len(b), len(want), err)
	}
}

// TestFiles: a listener whose fallback is a folder lets curl download from it, whole, in ranges, and only what has changed, beside a live stream.
func TestFiles(t *testing.T) {
	t.Parallel()
	ffmpeg.need(t)
	curl.need(t)
	folder, film := t.TempDir(), noise(fileBytes)
	for name, content := range map[string][]byte{"film.bin": film, "page.html": []byte("<html>a page</html>\n"), "secret": []byte("outside")} {
		place := filepath.Join(folder, "public", name)
		if name == "secret" {
			place = filepath.Join(folder, name)
		}
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	public := filepath.Join(folder, "public")
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(public, "film.bin"), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(plugins, `"127.0.0.1:0"`, `"127.0.0.1:0", fallback: {files: "`+public+`", listing: true}`, 1)
	s := server{hosttest.Start(t, config+"  live: {source: push}\n")}
	s.push(t, "live", wmv+framed)
	viewer := ffmpeg.start(t, progress, "-i", s.mmsh("/live"), "-f null -")
	viewer.waitFrames(1)

	downloads(t, s.http("/film.bin"), film)
	conditional(t, s.http("/film.bin"), filepath.Join(public, "film.bin"))
	curl.run(t, "-sS -i", s.http("/page.html")).succeeded().says("200 OK").says("text/html").says("a page")
	curl.run(t, "-sS -i", s.http("/")).succeeded().says("film.bin").says("page.html")
	curl.run(t, "-sS -I", s.http("/film.bin")).succeeded().says("Content-Length: " + strconv.Itoa(fileBytes))
	curl.run(t, "-sS -i --path-as-is", s.http("/../secret"), s.http("/%2e%2e/secret"), s.http("/no/such/file")).says(" 404")
	curlTakesASX(t, s)

	viewer.waitFrames(enough)
	viewer.undamaged()
}

// conditional: curl asks for what has changed, by time and by tag.
func conditional(t *testing.T, url, file string) {
	t.Helper()
	tags := filepath.Join(t.TempDir(), "tag")
	nowhere := " -o " + os.DevNull + " "
	curl.run(t, "-sS -D -", nowhere, "--etag-save", tags, url).says(" 200").says("Last-Modified:")
	curl.run(t, "-sS -D -", nowhere, "-z", file, url).says(" 304") // curl takes the file's own time
	curl.run(t, "-sS -D -", nowhere, "-z", "2001-01-01", url).says(" 200")
	if b, err := os.ReadFile(tags); err != nil || len(bytes.TrimSpace(b)) == 0 {
		t.Errorf("the file has no ETag (%v)", err)
		return
	}
	curl.run(t, "-sS -D -", nowhere, "--etag-compare", tags, url).says(" 304")
	curl.run(t, "-sS -D -", nowhere, "-r 0-9 -H", "If-Range:\"other\"", url).says(" 200") // RFC 9110 13.1.5: it is another file, so all of it
}
