package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// chromium is what headless browsers are made of: no window, no sound, but all codecs.
var chromium = program{"chromium-headless-shell", "chromium-headless-shell"}

// What encoders are told that push as to icecast (wire digest §9).
const (
	toWebM = "-c:v libvpx -threads 1 -deadline realtime -cpu-used 8 -g 15 -b:v 300k -c:a libvorbis -b:a 64k -f webm "
	toOgg  = "-vn -c:a libvorbis -b:a 64k -f ogg "
)

// pushIcecast is push by the scheme icecast, which logs in whether it must or not.
func (s server) pushIcecast(t *testing.T, point, how string) *process {
	t.Helper()
	return s.pushTo(t, point, how, "icecast://source:any@"+s.Addr("web")+"/"+point)
}

// sounds asserts that ffmpeg decodes so much of a stream's sound.
func sounds(t *testing.T, url string, seconds float64) {
	t.Helper()
	c := ffmpeg.run(t, progress, "-i", url, "-vn -t", strconv.FormatFloat(seconds, 'f', 1, 64), "-f null -").succeeded().undamaged()
	if got := c.sound(); got < seconds-0.1 {
		t.Errorf("%.1f s of sound decoded, %.1f expected", got, seconds)
	}
}

// TestIcecast has the encoders push that the wire digest's acceptance lines name, and each
// player play what they send, soon after their start and later.
func TestIcecast(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  webm: {source: push}
  ogg: {source: push}
  m.webm: {source: push}
  m.ogg: {source: push}
`)
	s.pushIcecast(t, "webm", toWebM+"-content_type video/webm")
	s.pushIcecast(t, "ogg", toOgg+"-legacy_icecast 1")
	s.pushIcecast(t, "m.webm", toWebM+"-content_type video/webm") // mounts with an extension, as icecast has them
	s.pushIcecast(t, "m.ogg", toOgg+"-legacy_icecast 1")
	for _, join := range []struct {
		name    string
		age     time.Duration
		players int // the first so many
	}{{"early", 3 * time.Second, 12}, {"late", 12 * time.Second, 3}} {
		for _, p := range []struct {
			name, point string
			run         func(t *testing.T)
		}{
			{"ffmpeg webm", "webm", func(t *testing.T) { ffmpegPlays(t, s.http("/webm")) }},
			{"ffmpeg ogg", "ogg", func(t *testing.T) { sounds(t, s.http("/ogg"), 3) }},
			{"chromium webm", "webm", func(t *testing.T) { s.browserPlays(t, "video", "/webm") }},
			{"mpv webm", "webm", func(t *testing.T) { mpvPlays(t, s.http("/webm"), "(vp8") }},
			{"vlc webm", "webm", func(t *testing.T) { vlcPlays(t, s.http("/webm.webm")) }},
			{"gstreamer webm", "webm", func(t *testing.T) { gstPlays(t, s.http("/webm")) }},
			{"mpv ogg", "ogg", func(t *testing.T) { mpvListens(t, s.http("/ogg")) }},
			{"vlc ogg", "ogg", func(t *testing.T) { vlcListens(t, s.http("/ogg")) }},
			{"gstreamer ogg", "ogg", func(t *testing.T) { gstListens(t, s.http("/ogg")) }},
			{"chromium ogg", "ogg", func(t *testing.T) { s.browserPlays(t, "audio", "/ogg") }},
			{"ffmpeg m.webm", "m.webm", func(t *testing.T) { ffmpegPlays(t, s.http("/m.webm")) }},
			{"ffmpeg m.ogg", "m.ogg", func(t *testing.T) { sounds(t, s.http("/m.ogg"), 3) }},
		}[:join.players] {
			t.Run(join.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				s.WaitMedia(p.point, join.age)
				p.run(t)
			})
		}
	}
}

// mpvListens has mpv take three seconds of sound, after which it ends by itself.
func mpvListens(t *testing.T, url string) {
	t.Helper()
	mpv.run(t, "--no-config --vo=null --ao=null --length=3", url).succeeded().says("(+) Audio --aid=1 (vorbis")
}

// vlcListens has VLC write sound into a file; it tells nothing else of it.
func vlcListens(t *testing.T, url string) {
	t.Helper()
	dir := openFolder(t)
	c := startCommand(t, vlcCommand(dir, "--sout=#transcode{acodec=s16l,channels=1,samplerate=8000}:std{access=file,mux=wav,dst="+filepath.Join(dir, "out.wav")+"}", url))
	const seconds = 2
	heard := 0
	hosttest.Eventually(t, "VLC has decoded sound", func() bool {
		heard = fileSize(filepath.Join(dir, "out.wav"))
		return heard >= seconds*8000*2 || c.ended()
	})
	if heard < seconds*8000*2 {
		t.Errorf("VLC ended with %v after %d bytes of sound", c.err, heard)
	}
}

// gstListens has GStreamer decode buffers of sound.
func gstListens(t *testing.T, url string) {
	t.Helper()
	c := gst.start(t, "-v uridecodebin uri="+url+" ! audio/x-raw ! fakesink sync=true silent=false")
	heard := 0
	hosttest.Eventually(t, "GStreamer has decoded sound", func() bool {
		heard = strings.Count(c.out.String(), "last-message = chain ")
		return heard >= enough || c.ended()
	})
	if heard < enough {
		t.Errorf("GStreamer ended with %v after %d buffers, %d expected", c.err, heard, enough)
	}
}

// playerPage plays a stream and tells the test how it fares.
const playerPage = `<!DOCTYPE html><body><script>
const p = document.createElement(ELEMENT);
const tell = what => fetch("/told?" + new URLSearchParams({what, time: p.currentTime, width: p.videoWidth || 0, frames: p.getVideoPlaybackQuality ? p.getVideoPlaybackQuality().totalVideoFrames : 0}));
p.muted = true;
p.ontimeupdate = () => tell("playing");
p.onerror = () => tell("error " + p.error.code + " " + p.error.message);
p.src = SOURCE;
document.body.append(p);
p.play().catch(e => tell("refused " + e));
</script></body>`

// report is what the page has said last.
type report struct {
	mu            sync.Mutex
	what          string
	first, time   float64 // of the first report and of the last
	width, frames int
}

func (x *report) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	q := r.URL.Query()
	x.what = q.Get("what")
	if x.time, _ = strconv.ParseFloat(q.Get("time"), 64); x.first == 0 {
		x.first = x.time
	}
	x.width, _ = strconv.Atoi(q.Get("width"))
	x.frames, _ = strconv.Atoi(q.Get("frames"))
}

// browserPlays has a browser play two seconds by an element of a page.
func (s server) browserPlays(t *testing.T, element, path string) {
	t.Helper()
	chromium.need(t)
	page := strings.NewReplacer("ELEMENT", strconv.Quote(element), "SOURCE", strconv.Quote(s.http(path))).Replace(playerPage)
	var x report
	mux := http.NewServeMux()
	mux.Handle("/told", &x)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	c := chromium.start(t, "--no-sandbox --autoplay-policy=no-user-gesture-required --remote-debugging-port=0 --user-data-dir="+t.TempDir(), web.URL)
	const seconds = 2
	hosttest.Eventually(t, "the browser has played", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.time-x.first >= seconds && (element == "audio" || x.width > 0 && x.frames >= 20) || strings.HasPrefix(x.what, "error") || strings.HasPrefix(x.what, "refused") || c.ended()
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.what != "playing" || x.time-x.first < seconds {
		t.Errorf("the browser says %q after %.1f s of %s", x.what, x.time-x.first, path)
	}
	t.Logf("%.1f s, %d pixels wide, %d frames", x.time-x.first, x.width, x.frames)
}

func fileSize(path string) int {
	f, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return int(f.Size())
}

// TestIcecastReturns kills the encoders. They come back, and players go on over the
// connections that they have; they come back with something else, and each player's stream
// ends, since none takes a second header.
func TestIcecastReturns(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  webm: {source: push, grace: 20s}
  ogg: {source: push, grace: 20s}
`)
	first, second := s.pushIcecast(t, "webm", toWebM), s.push(t, "ogg", toOgg)
	s.WaitMedia("webm", 2*time.Second)
	s.WaitMedia("ogg", 2*time.Second)
	film := ffmpeg.start(t, progress, "-i", s.http("/webm"), "-f null -")
	song := ffmpeg.start(t, progress, "-i", s.http("/ogg"), "-f null -")
	film.waitFrames(enough)
	song.waitSound(2)
	for _, c := range []*process{first, second} {
		c.kill()
	}
	s.WaitPoint("webm", "waiting")
	s.WaitPoint("ogg", "waiting")
	first, second = s.pushIcecast(t, "webm", toWebM), s.push(t, "ogg", toOgg)
	film.waitFrames(enough)
	song.waitSound(4)
	film.undamaged()
	for _, c := range []*process{first, second} {
		c.kill()
	}
	s.WaitPoint("webm", "waiting")
	s.WaitPoint("ogg", "waiting")
	s.pushIcecast(t, "webm", "-s 160x120 "+toWebM)
	s.push(t, "ogg", "-ac 2 "+toOgg)
	film.wait().succeeded()
	song.wait().succeeded()
	s.WaitMedia("webm", 2*time.Second)
	s.WaitMedia("ogg", 2*time.Second)
	ffmpeg.run(t, "-nostdin -hide_banner -i", s.http("/webm"), "-t 1 -f null -").succeeded().says("160x120")
	ffmpeg.run(t, "-nostdin -hide_banner -i", s.http("/ogg"), "-t 1 -f null -").succeeded().says("stereo")
}

// waitSound waits until ffmpeg has decoded so many seconds of sound more than it has now.
func (c *process) waitSound(seconds float64) {
	c.t.Helper()
	goal := c.sound() + seconds
	hosttest.Eventually(c.t, strconv.FormatFloat(goal, 'f', 1, 64)+" s of sound decoded", func() bool { return c.sound() >= goal || c.ended() })
	if c.sound() < goal {
		c.t.Fatalf("%s: ended after %.1f s with %v; %.1f were expected", c.cmd, c.sound(), c.err, goal)
	}
}

var outTime = regexp.MustCompile(`out_time_us=(\d+)`)

// sound is how many seconds ffmpeg -progress has written.
func (c *process) sound() float64 {
	all := outTime.FindAllStringSubmatch(c.out.String(), -1)
	if len(all) == 0 {
		return 0
	}
	us, _ := strconv.ParseFloat(all[len(all)-1][1], 64)
	return us / 1e6
}

// TestIcecastTypes: each form has its own media type, whatever the encoder said of it, and
// whom a form is not for is told so.
func TestIcecastTypes(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  film: {source: push}
  sound: {source: push}
  mkv: {source: push}
  song: {source: push}
`)
	s.pushIcecast(t, "film", toWebM) // as audio/mpeg
	s.push(t, "sound", "-vn -c:a libopus -f webm -method POST")
	s.push(t, "mkv", h264+"-f matroska -method PUT")
	s.pushIcecast(t, "song", "-vn -c:a libopus -page_duration 200000 -f ogg -content_type audio/mpeg")
	for _, c := range []struct{ path, want string }{
		{"/film", "video/webm"},
		{"/film.webm", "video/webm"},
		{"/sound", "audio/webm"},
		{"/mkv.mkv", "video/matroska"},
		{"/song", "audio/ogg"},
		{"/song.ogg", "audio/ogg"},
	} {
		resp, err := http.Head(s.http(c.path))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); got != c.want || resp.StatusCode != 200 {
			t.Errorf("%s: %s, %s", c.path, resp.Status, got)
		}
	}
	ffmpegPlays(t, s.http("/mkv"))
	sounds(t, s.http("/sound"), 2)
	sounds(t, s.http("/song"), 2)
	ffmpeg.run(t, progress, "-i", s.mmsh("/film"), "-t 1 -f null -").failed()
	ffmpeg.run(t, progress, "-i", s.URL("mms", "mmst", "/film"), "-t 1 -f null -").failed()
	resp, err := http.Get(s.http("/film.asf"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 404 || !strings.Contains(string(b), "ask for /film.webm") {
		t.Errorf("%s: %s", resp.Status, b)
	}
	if err := s.StopPoint("film", "closed"); err != nil {
		t.Fatal(err)
	}
	s.WaitViewers("film", 0)
}

// TestPagePlays: the page of a point has an element that plays it, and allows itself to load
// it. Somebody would press play; here the page as it is gets told to play by itself.
func TestPagePlays(t *testing.T) {
	t.Parallel()
	chromium.need(t)
	s := server{hosttest.Start(t, strings.Replace(plugins, "points:", `  page: {module: "builtin:page", listeners: [web], grant: {documents: true}}
points:`, 1)+`
  webm: {source: push}
`)}
	s.push(t, "webm", toWebM)
	s.WaitMedia("webm", time.Second)
	resp, err := http.Get(s.http("/webm.html"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	const waits = `controls preload="none"`
	if strings.Count(string(b), "<video "+waits) != 1 {
		t.Fatalf("no player in %s", b)
	}
	page := strings.Replace(string(b), waits, "autoplay muted", 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(web.Close)
	chromium.start(t, "--no-sandbox --autoplay-policy=no-user-gesture-required --remote-debugging-port=0 --user-data-dir="+t.TempDir(), web.URL)
	s.WaitViewers("webm", 1)
	hosttest.Eventually(t, "the page has loaded some of it", func() bool {
		for _, x := range s.Sessions("webm") {
			if x.Role == "viewer" && x.BytesOut > 100_000 {
				return true
			}
		}
		return false
	})
}
