package access

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	anna   = "anna"
	secret = "geheim: und lang"
)

// scene is a guard with a clock of its own and the users anna and bert, of whom only anna may publish.
type scene struct {
	*Guard
	t   *testing.T
	now time.Time
	log bytes.Buffer
}

func newScene(t *testing.T, rules ...Rule) *scene {
	t.Helper()
	s := &scene{t: t, now: time.Unix(1_800_000_000, 0)}
	var text strings.Builder
	for _, name := range []string{anna, "bert"} {
		line, err := newLine(name, secret, DefaultRealm, leastIterations)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(line + "\n")
	}
	users, err := ParseUsers("users", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	s.Guard = New(Options{Log: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: func() time.Time { return s.now }})
	if len(rules) == 0 {
		rules = []Rule{{Publish: true, Users: []string{anna}, Methods: Basic | Digest | DigestSHA256}}
	}
	s.Set(&Policy{Realm: DefaultRealm, Users: users, Rules: rules})
	return s
}

var home = netip.MustParseAddr("192.0.2.7")

func (s *scene) ask(authorization ...string) Judgement {
	return s.Judge(context.Background(), Request{Action: Publish, Point: "live", From: home, Method: "POST", URI: "/live", Authorization: authorization})
}

func (s *scene) wants(j Judgement, want Answer) Judgement {
	s.t.Helper()
	if j.Answer != want {
		s.t.Errorf("answer %v, want %v", j.Answer, want)
	}
	if (want == NoLogin || want == Wrong) != (len(j.Challenges) > 0) || (j.Text == "") != (want == Admitted) {
		s.t.Errorf("%v with challenges %q and text %q", j.Answer, j.Challenges, j.Text)
	}
	return j
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

var nonceIn = regexp.MustCompile(`nonce="([^"]*)"`)

// answerTo answers a challenge as a player does.
func answerTo(challenge, name, password string, nc int) string {
	nonce := nonceIn.FindStringSubmatch(challenge)[1]
	by, algorithm := Digest, algorithmMD5
	if strings.Contains(challenge, algorithmSHA256) {
		by, algorithm = DigestSHA256, algorithmSHA256
	}
	d := digested{nonce: nonce, uri: "/live", cnonce: "c", qop: "auth", nc: fmt.Sprintf("%08x", nc)}
	response := d.answer(by, hashText(by, name+":"+DefaultRealm+":"+password), "POST")
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="/live", algorithm=%s, qop=auth, nc=%s, cnonce="c", response="%s"`, name, DefaultRealm, nonce,
		algorithm, d.nc, response)
}

func TestChallengesAndLogins(t *testing.T) {
	s := newScene(t)
	j := s.wants(s.ask(), NoLogin)
	if len(j.Challenges) != 3 || !strings.Contains(j.Challenges[0], "algorithm=SHA-256") || !strings.Contains(j.Challenges[1], "algorithm=MD5") || j.Challenges[2] != `Basic realm="weir"` {
		t.Fatalf("challenges %q", j.Challenges)
	}
	for _, challenge := range j.Challenges[:2] {
		if got := s.wants(s.ask(answerTo(challenge, anna, secret, 1)), Admitted); got.User != anna {
			t.Errorf("logged in as %q", got.User)
		}
		s.wants(s.ask(answerTo(challenge, anna, "wrong", 2)), Wrong)
		s.wants(s.ask(answerTo(challenge, "nobody", secret, 2)), Wrong)
		s.wants(s.ask(answerTo(challenge, "bert", secret, 2)), NotThisUser)
	}
	if got := s.wants(s.ask(basic(anna, secret)), Admitted); got.User != anna {
		t.Errorf("logged in as %q", got.User)
	}
	s.wants(s.ask(basic(anna, secret+"x")), Wrong)
	s.wants(s.ask("Bearer abc"), NoLogin)
	s.wants(s.ask("Basic !!"), Wrong)
	s.wants(s.ask(basic(anna, secret), basic(anna, secret)), Wrong)
	if log := s.log.String(); strings.Contains(log, secret) || strings.Contains(log, "response") || strings.Contains(log, basic(anna, secret)[6:]) {
		t.Errorf("the log tells secrets:\n%s", log)
	}
}

// TestNonce: one that is old, or another server's, is stale; a count that has come is too.
func TestNonce(t *testing.T) {
	s := newScene(t)
	stale := func(j Judgement) {
		t.Helper()
		if s.wants(j, NoLogin); !strings.Contains(j.Challenges[0], "stale=true") {
			t.Errorf("challenge %q", j.Challenges[0])
		}
	}
	challenge := s.ask().Challenges[1]
	s.wants(s.ask(answerTo(challenge, anna, secret, 3)), Admitted)
	stale(s.ask(answerTo(challenge, anna, secret, 3)))
	s.wants(s.ask(answerTo(challenge, anna, secret, 1)), Admitted) // another connection's
	stale(s.ask(answerTo(challenge, anna, secret, 1)))
	s.wants(s.ask(answerTo(challenge, anna, secret, 200)), Admitted)
	stale(s.ask(answerTo(challenge, anna, secret, 100)))
	s.wants(s.ask(answerTo(challenge, anna, secret, 199)), Admitted)
	stale(s.ask(answerTo(newScene(t).ask().Challenges[1], anna, secret, 1)))
	s.now = s.now.Add(nonceLife + time.Second)
	stale(s.ask(answerTo(challenge, anna, secret, 300)))
	stale(s.ask(answerTo(`nonce="no nonce"`, anna, secret, 1)))
}

// TestNonceMemory: what is forgotten is stale, so that nothing is taken twice.
func TestNonceMemory(t *testing.T) {
	var n nonces
	n.init()
	now := time.Unix(1_800_000_000, 0)
	first, _ := n.read(n.issue(now), now)
	for i := range maxNonces + 10 {
		at := now.Add(time.Duration(i) * time.Millisecond)
		x, ok := n.read(n.issue(at), at)
		if i == 0 {
			x = first
		}
		if !ok || !n.use(x, 1, at) {
			t.Fatalf("nonce %d is refused", i)
		}
	}
	if len(n.used) > maxNonces || len(n.order) != len(n.used) {
		t.Errorf("%d nonces in use, %d in order", len(n.used), len(n.order))
	}
	if n.use(first, 2, now) || n.use(first, 1, now) {
		t.Error("a forgotten nonce is good again")
	}
}

// TestOldPeers: RTSP's may leave out qop, HTTP's may not.
func TestOldPeers(t *testing.T) {
	s := newScene(t)
	nonce := nonceIn.FindStringSubmatch(s.ask().Challenges[1])[1]
	d := digested{nonce: nonce, uri: "rtsp://h/live"}
	said := fmt.Sprintf(`Digest username="anna", realm="weir", nonce="%s", uri="%s", response="%s"`, nonce, d.uri, d.answer(Digest, hashText(Digest, "anna:weir:"+secret), "SETUP"))
	q := Request{Action: Publish, Point: "live", From: home, Method: "SETUP", URI: "rtsp://h/live/streamid=0", Authorization: []string{said}, Old: true}
	s.wants(s.Judge(context.Background(), q), Admitted)
	q.Old = false
	s.wants(s.Judge(context.Background(), q), Wrong)
}

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestRules(t *testing.T) {
	studio := func(p string) bool { return strings.HasPrefix(p, "studio/") }
	s := newScene(t,
		Rule{Points: studio, Publish: true, Users: []string{anna}, From: prefixes("10.0.0.0/8", "2001:db8::/32"), Trusted: prefixes("10.9.0.0/16")},
		Rule{Points: studio, Play: true, Users: []string{AnyUser}},
		Rule{Publish: true, Closed: true},
		Rule{Play: true, NotFrom: prefixes("192.0.2.0/24")},
	)
	for _, c := range []struct {
		action            Action
		point, from, user string
		want              Answer
	}{
		{Publish, "studio/1", "10.1.2.3", anna, Admitted},
		{Publish, "studio/1", "::ffff:10.1.2.3", anna, Admitted},
		{Publish, "studio/1", "2001:db8::7", anna, Admitted},
		{Publish, "studio/1", "10.1.2.3", "", NoLogin},
		{Publish, "studio/1", "10.1.2.3", "bert", NotThisUser},
		{Publish, "studio/1", "10.9.2.3", "", Admitted},
		{Publish, "studio/1", "192.0.2.1", anna, NoAddress},
		{Play, "studio/1", "192.0.2.1", "bert", Admitted},
		{Play, "studio/1", "192.0.2.1", "gone", NotThisUser},
		{Play, "studio/1", "192.0.2.1", "", NoLogin},
		{Publish, "live", "10.1.2.3", anna, NoAddress},
		{Play, "live", "192.0.2.1", anna, NoAddress},
		{Play, "live", "198.51.100.1", "", Admitted},
	} {
		if got := s.Admits(c.action, c.point, netip.MustParseAddr(c.from), c.user); got != c.want {
			t.Errorf("%v %s from %s as %q: %v, want %v", c.action, c.point, c.from, c.user, got, c.want)
		}
	}
	s.Set(nil)
	if got := s.Admits(Publish, "live", home, ""); got != Admitted {
		t.Errorf("without rules: %v", got)
	}
	var none *Guard
	if got := none.Admits(Publish, "live", home, ""); got != Admitted || none.Judge(context.Background(), Request{}).Answer != Admitted {
		t.Errorf("without a guard: %v", got)
	}
}

// TestThrottle: after ten failures a network waits, longer each time, and is then forgotten.
func TestThrottle(t *testing.T) {
	s := newScene(t)
	for range freeFailures {
		s.wants(s.ask(basic(anna, "guess")), Wrong)
	}
	j := s.wants(s.ask(basic(anna, secret)), Throttled)
	if j.Wait != firstWait {
		t.Errorf("waits %v", j.Wait)
	}
	s.wants(s.ask(), NoLogin) // who has not tried is asked
	neighbour := Request{Action: Publish, Point: "live", From: netip.MustParseAddr("192.0.2.200"), Method: "POST", URI: "/live", Authorization: []string{basic(anna, secret)}}
	s.wants(s.Judge(context.Background(), neighbour), Throttled)
	neighbour.From = netip.MustParseAddr("192.0.3.1")
	s.wants(s.Judge(context.Background(), neighbour), Admitted)
	for want := 2 * firstWait; want < 8*lastWait; want *= 2 {
		s.now = s.now.Add(lastWait)
		s.wants(s.ask(basic(anna, "guess")), Wrong)
		if j := s.wants(s.ask(basic(anna, secret)), Throttled); j.Wait != min(want, lastWait) {
			t.Errorf("waits %v, want %v", j.Wait, min(want, lastWait))
		}
	}
	if st := s.Stats(); st.Aside != 1 || st.Throttled[0].Network != netip.MustParsePrefix("192.0.2.0/24") || st.Judged[Publish][Wrong] != st.Judged[Publish][Throttled]+freeFailures-2 {
		t.Errorf("stats %+v", st)
	}
	s.now = s.now.Add(lastWait)
	s.wants(s.ask(basic(anna, secret)), Admitted)
	s.now = s.now.Add(quietTime)
	s.wants(s.ask(basic(anna, "guess")), Wrong)
	s.wants(s.ask(basic(anna, secret)), Admitted)
}

func TestThrottleIsBounded(t *testing.T) {
	var th throttle
	now := time.Unix(1_800_000_000, 0)
	for i := range maxFailing + 100 {
		th.fail(now.Add(time.Duration(i)*time.Millisecond), netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	if len(th.failing) > maxFailing {
		t.Errorf("%d networks", len(th.failing))
	}
}

// TestChecksAreBounded: viewers who come at once with the same password wait for one
// check, and too many other ones are turned away.
func TestChecksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.checker.turn <- struct{}{} // a check is under way
		var all sync.WaitGroup
		answers := make(chan Answer, 50)
		for range cap(answers) {
			all.Go(func() { answers <- s.ask(basic(anna, secret)).Answer })
		}
		synctest.Wait()
		for i := range maxChecks - 1 {
			all.Go(func() { s.ask(basic(anna, fmt.Sprint("guess ", i))) })
		}
		synctest.Wait()
		if j := s.wants(s.ask(basic("bert", secret)), Busy); j.Wait <= 0 {
			t.Error("nobody knows when to come again")
		}
		<-s.checker.turn
		all.Wait()
		close(answers)
		for a := range answers {
			if a != Admitted {
				t.Errorf("one of many with the same password: %v", a)
			}
		}
		if len(s.checker.good) != 1 {
			t.Errorf("%d passwords are remembered", len(s.checker.good))
		}
	})
}

// TestNewPassword: a password that was good is not, once the file has another.
func TestNewPassword(t *testing.T) {
	s := newScene(t)
	s.wants(s.ask(basic(anna, secret)), Admitted)
	line, err := newLine(anna, "another", "", leastIterations)
	if err != nil {
		t.Fatal(err)
	}
	users, err := ParseUsers("users", []byte(line))
	if err != nil {
		t.Fatal(err)
	}
	p := *s.Policy()
	p.Users = users
	s.Set(&p)
	s.wants(s.ask(basic(anna, secret)), Wrong)
	s.wants(s.ask(basic(anna, "another")), Admitted)
	s.wants(s.ask(answerTo(s.ask().Challenges[1], anna, "another", 1)), Wrong) // has none of what Digest needs
}
