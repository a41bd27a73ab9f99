package access

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/telemetry"
)

// Answer is what a peer is told.
type Answer uint8

// The answers. All but the first refuse.
const (
	Admitted    Answer = iota
	NoAddress          // nobody may from there
	NoLogin            // it has not logged in, or with what has grown stale: it is asked to
	Wrong              // there is no such user, or the password is another
	NotThisUser        // who has logged in may not
	Throttled          // too many attempts from its network have failed
	Busy               // too many passwords wait to be checked
	answers
)

var answerNames = [answers]string{"admitted", "address", "asked", "wrong", "user", "throttled", "busy"}

// String is the answer's metric label.
func (a Answer) String() string {
	if a < answers {
		return answerNames[a]
	}
	return "invalid"
}

// Request is what a peer wants. Its texts are not kept.
type Request struct {
	Action        Action
	Point         string
	From          netip.Addr
	Method        string   // of the request
	URI           string   // likewise, as it came
	Authorization []string // values of that field
	// Old peers, those of RTSP, may leave out Digest's qop (RFC 2069), and name the URI of
	// the presentation where they ask for a stream of it.
	Old bool
}

// Judgement is how a Request is to be answered.
type Judgement struct {
	Answer     Answer
	User       string        // who has logged in, when admitted; empty: nobody had to
	Challenges []string      // values of WWW-Authenticate, each for a line of its own, with NoLogin and Wrong
	Wait       time.Duration // until it is worth asking again, with Throttled and Busy
	Text       string        // for people; empty when admitted
}

// Options are what the room needs of others.
type Options struct {
	Log *slog.Logger
	Now func() time.Time // nil: time.Now
}

// Guard judges peers. It is safe for concurrent use, and needs no closing; a nil Guard
// admits all.
type Guard struct {
	log      *slog.Logger
	now      func() time.Time
	policy   atomic.Pointer[Policy]
	nonces   nonces
	checker  checker
	throttle throttle
	counts   [actions][answers]atomic.Uint64
}

// New makes a guard that admits all until Set.
func New(o Options) *Guard {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Guard{log: o.Log, now: o.Now}
	g.nonces.init()
	g.checker.init()
	return g
}

// Set puts a policy in force for whoever comes from now on; nil admits all.
func (g *Guard) Set(p *Policy) { g.policy.Store(p) }

// Policy is the one in force; nil admits all.
func (g *Guard) Policy() *Policy {
	if g == nil {
		return nil
	}
	return g.policy.Load()
}

// Admits judges a peer that has logged in as user, or has not; it neither waits nor asks.
// Refusals are counted and logged.
func (g *Guard) Admits(a Action, point string, from netip.Addr, user string) Answer {
	p := g.Policy()
	if p == nil {
		return Admitted
	}
	answer := p.Admits(a, point, from, user)
	if answer != Admitted {
		g.refused(&Request{Action: a, Point: point, From: from}, answer, user)
	}
	return answer
}

// Judge judges a request. It may wait for a slow hash until ctx ends.
func (g *Guard) Judge(ctx context.Context, q Request) (j Judgement) {
	p := g.Policy()
	rule := p.rule(q.Action, q.Point)
	if rule == nil {
		return Judgement{}
	}
	q.From = q.From.Unmap().WithZone("")
	switch {
	case rule.refuses(q.From):
		j.Answer = NoAddress
	case !rule.asks(q.From):
	case len(q.Authorization) == 0:
		j.Answer, j.Challenges = NoLogin, g.challenges(p, rule, false)
	default:
		j = g.login(ctx, p, rule, &q)
	}
	if j.Answer == Admitted {
		g.counts[q.Action][Admitted].Add(1)
		return j
	}
	j.Text = refusalText(&q, j.Answer)
	g.refused(&q, j.Answer, j.User)
	j.User = ""
	return j
}

// login judges what a peer that must log in has sent for it.
func (g *Guard) login(ctx context.Context, p *Policy, rule *Rule, q *Request) Judgement {
	now := g.now()
	if wait := g.throttle.wait(now, q.From); wait > 0 {
		return Judgement{Answer: Throttled, Wait: wait}
	}
	ask := func(a Answer, stale bool) Judgement {
		return Judgement{Answer: a, Challenges: g.challenges(p, rule, stale)}
	}
	var found proof
	switch scheme, rest, _ := strings.Cut(strings.TrimSpace(q.Authorization[0]), " "); {
	case len(q.Authorization) > 1:
		found.answer = Wrong
	case strings.EqualFold(scheme, "Basic") && rule.Methods&Basic != 0:
		found = g.basic(ctx, p, rest)
	case strings.EqualFold(scheme, "Digest") && rule.Methods&(Digest|DigestSHA256) != 0:
		found = g.digest(p, rule, q, rest, now)
	default:
		return ask(NoLogin, false) // a way to log in that is not offered
	}
	switch {
	case found.answer == Wrong:
		if g.throttle.fail(now, q.From) {
			g.log.Warn("failed logins: their network must wait", "network", NetworkOf(q.From), "point", q.Point)
		}
		return ask(Wrong, false)
	case found.answer == NoLogin:
		return ask(NoLogin, found.stale)
	case found.answer == Busy:
		return Judgement{Answer: Busy, Wait: busyWait}
	case !rule.names(found.user):
		return Judgement{Answer: NotThisUser, User: found.user}
	}
	g.log.Debug("logged in", "user", found.user, "by", found.by.String(), telemetry.KeyPoint, q.Point, "action", q.Action.String(), telemetry.KeyPeer, q.From)
	return Judgement{User: found.user}
}

// proof is what credentials have come to.
type proof struct {
	answer Answer
	user   string  // with Admitted
	by     Methods // likewise: one of them
	stale  bool    // with NoLogin: the nonce is to be another
}

// refused counts, and has the log tell. Challenges are no news: every login begins so.
func (g *Guard) refused(q *Request, a Answer, user string) {
	g.counts[q.Action][a].Add(1)
	level := slog.LevelWarn
	if a == NoLogin {
		level = slog.LevelDebug
	}
	g.log.Log(context.Background(), level, "access refused", telemetry.KeyPoint, q.Point, telemetry.KeyReason, a.String(), "action", q.Action.String(),
		telemetry.KeyPeer, q.From, "user", user)
}

func refusalText(q *Request, a Answer) string {
	what := "to play this"
	if q.Action == Publish {
		what = "to publish here"
	}
	switch a {
	case NoAddress:
		return "your address may not be used " + what
	case NoLogin:
		return "a login is needed " + what
	case Wrong:
		return "there is no such user with that password"
	case NotThisUser:
		return "this user has no right " + what
	case Throttled:
		return "too many attempts to log in have failed from your network"
	}
	return "too many logins wait to be checked"
}

// Stats is what has been judged so far.
type Stats struct {
	Judged    [actions][answers]uint64
	Throttled []Waiting // networks that must wait at present, the longest first, and
	Aside     int       // how many there are in all
}

// Stats gives a snapshot.
func (g *Guard) Stats() (s Stats) {
	for a := range g.counts {
		for i := range g.counts[a] {
			s.Judged[a][i] = g.counts[a][i].Load()
		}
	}
	s.Throttled, s.Aside = g.throttle.list(g.now())
	return s
}

// Answers lists every Answer, in order, for those who make labels of them.
func Answers() []Answer {
	all := make([]Answer, answers)
	for i := range all {
		all[i] = Answer(i)
	}
	return all
}
