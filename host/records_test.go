package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/webhook"
)

const hookSecret = "a secret of at least sixteen"

// hooked is a web server that takes events.
type hooked struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	secret string
	events []string
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	h := &hooked{t: t, secret: hookSecret}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if want := webhook.Sign([]byte(h.secret), body); err != nil || r.Header.Get(webhook.SignatureField) != want {
			h.t.Errorf("signature %q of %s, want %q (%v)", r.Header.Get(webhook.SignatureField), body, want, err)
		}
		var p webhook.Post
		if err := json.Unmarshal(body, &p); err != nil {
			h.t.Error(err)
		}
		for _, e := range p.Events {
			h.events = append(h.events, wordsOf(*e))
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// expects changes the secret with which events are to be signed.
func (h *hooked) expects(secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secret = secret
}

func (h *hooked) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.events, "\n")
}

func wordsOf(e admin.Event) string {
	agent := ""
	if e.Client != nil {
		agent = e.Client.UserAgent
	}
	return strings.TrimRight(fmt.Sprintf("%s %s %s %s %s", e.Kind, e.What, e.Point, e.Plugin, agent), " ")
}

// heard are the events that a reader of the admin API gets.
type heard struct {
	mu  sync.Mutex
	all []string
}

func readEvents(t *testing.T, s *hosttest.Server, q admin.EventQuery) *heard {
	t.Helper()
	c, err := admin.NewClient(s.Admin(), "")
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- c.Events(ctx, q, func(e admin.Event) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.all = append(h.all, wordsOf(e))
			return nil
		}, func(n uint64) error { return fmt.Errorf("%d missed", n) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("events: %v", err)
		}
	})
	return h
}

func (h *heard) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.all, "\n")
}

// inOrder tells whether all words are there, each behind the one before.
func inOrder(text string, words ...string) bool {
	for _, w := range words {
		_, rest, found := strings.Cut(text, w)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// TestRecords: what happens is told to readers, posted with a signature, and each session
// that has ended is a line of the log; a change of the configuration changes where it goes.
func TestRecords(t *testing.T) {
	t.Parallel()
	hook := newHooked(t)
	yaml := func(more string) string {
		return pointsYAML + "log: {sessions: logs/%Y%m%d.log}\nwebhooks: [{url: \"" + hook.URL + "\", events: [play, stop, limit], secret_file: hook.secret}]\n" +
			"points: {live: {source: push, limits: {viewers: 1}}}\n" + more
	}
	s := hosttest.Start(t, yaml(""), hosttest.WithFile("hook.secret", []byte(hookSecret)))
	every := readEvents(t, s, admin.EventQuery{Points: []string{"live"}})
	s.Wait("the reader is heard", func() bool { // nothing is told before
		asks(t, s, "/live", "probe")
		return strings.Contains(every.said(), "connect")
	})
	push(t, s, "live")
	s.WaitMedia("live", 0)
	describe := asks(t, s, "/live", "NSServer/1.4") // without xPlayStrm it is told the header
	_, _ = io.Copy(io.Discard, describe.Body)
	viewer := asks(t, s, "/live", "NSPlayer/9.0.0.3372\tevil one")
	s.WaitViewers("live", 1)
	isRefused(t, s, "/live", "curl/8", 503, "has all the 1 viewers")
	viewer.Body.Close()
	s.WaitViewers("live", 0)
	if err := s.StopPoint("live", "enough"); err != nil {
		t.Fatal(err)
	}
	s.Wait("the webhook has got the end", func() bool { return strings.Contains(hook.said(), "stop") })
	want := []string{"play  live wmsp NSPlayer/9.0.0.3372", "limit limits.viewers live http curl/8", "stop  live wmsp"}
	if !inOrder(hook.said(), want...) || strings.Contains(hook.said(), "connect") {
		t.Errorf("the webhook has got\n%s", hook.said())
	}
	s.Wait("the reader has heard the stop", func() bool { return strings.Contains(every.said(), "source end") })
	all := append([]string{"connect  live http probe", "connect  live push", "source begin live push test encoder", "point live live", "describe  live wmsp NSServer/1.4"}, want...)
	all[0] = "connect  live http"
	if !inOrder(every.said(), append(all, "point stopped live", "source end live push")...) {
		t.Errorf("the reader has heard\n%s", every.said())
	}
	st := s.WaitStatus("two lines are written", func(st hosttest.Status) bool { return st.Records.Sessions.Lines == 2 })
	if w := st.Records.Webhooks; len(w) != 1 || w[0].Posted < 3 || w[0].Missed != 0 || w[0].Error != "" {
		t.Errorf("webhooks: %+v", w)
	}
	text, err := os.ReadFile(st.Records.Sessions.File)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\r\n")
	if dir := filepath.Dir(st.Records.Sessions.File); dir != filepath.Join(s.Dir(), "logs") || len(lines) != 6 {
		t.Fatalf("in %s\n%s", dir, text)
	}
	for i, words := range [][]string{
		{"127.0.0.1 ", " /live 0 ", " {2200AD50-2C39-46c0-AE0A-2CA76D8C766D} 9.0.0.3372", " NSPlayer/9.0.0.3372", "+evil+one ", " http TCP ", " 127.0.0.1 0 ", " viewer live mmsh wmsp 0 peer_closed"},
		{"127.0.0.1 ", " /live 0 ", " test+encoder ", " http TCP 0 ", " source live asf push 0 "},
	} {
		if !inOrder(lines[4+i], words...) {
			t.Errorf("%s\nlacks one of %q", lines[4+i], words)
		}
	}
	if _, err := s.Apply(strings.ReplaceAll(yaml(""), "log:", "#")); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.Records == nil || st.Records.Sessions != nil || len(st.Records.Webhooks) != 1 || st.Records.Webhooks[0].Posted < 3 {
		t.Errorf("after the change: %+v", st.Records)
	}
}

// TestWebhookSecret: the file of a secret is read again by itself where files are watched,
// and when the configuration is applied; one that cannot be used leaves the one before.
func TestWebhookSecret(t *testing.T) {
	t.Parallel()
	hook, clock := newHooked(t), newStillness()
	yaml := "watch: true\n" + pointsYAML + "webhooks: {url: \"" + hook.URL + "\", events: [point], secret_file: hook.secret}\npoints: {live: {source: push}}\n"
	s := hosttest.Start(t, yaml, hosttest.WithFile("hook.secret", []byte(hookSecret)), hosttest.WithTimer(clock.after))
	path, posted := filepath.Join(s.Dir(), "hook.secret"), uint64(0)
	tell := func() {
		t.Helper()
		if err := errors.Join(s.StopPoint("live", ""), s.StartPoint("live")); err != nil {
			t.Fatal(err)
		}
		posted += 2
		s.WaitStatus("both events are posted", func(st hosttest.Status) bool { return st.Records.Webhooks[0].Posted == posted })
	}
	apply := func() {
		t.Helper()
		if _, err := s.Apply(yaml); err != nil {
			t.Fatal(err)
		}
	}
	tell()
	const second, third = "the second secret, as long", "the third secret, as long"
	clock.change(t, func() { write(t, path, []byte(second)) })
	s.Wait("the second secret is in force", func() bool { return strings.Contains(s.Log(), "configuration in force") })
	hook.expects(second)
	tell()
	clock.hold() // nobody watches any more
	write(t, path, []byte(third))
	apply()
	hook.expects(third)
	tell()
	write(t, path, []byte("x"))
	apply()
	tell()
	if w := s.Status().Records.Webhooks[0]; !strings.Contains(w.Error, "holds 1 characters") {
		t.Errorf("%+v", w)
	}
}

// TestDeadWebhook: a receiver that is not there, or a secret that cannot be read, is a matter
// of the status alone.
func TestDeadWebhook(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, pointsYAML+`
webhooks:
- {url: "http://127.0.0.1:1/"}
- {url: "http://127.0.0.1:1/", secret_file: none}
points: {live: {source: push}}
`)
	push(t, s, "live")
	st := s.WaitStatus("the webhook has failed", func(st hosttest.Status) bool { return st.Records.Webhooks[0].Error != "" })
	if w := st.Records.Webhooks[1]; !strings.Contains(w.Error, "read the secret of a webhook") || !strings.Contains(s.Log(), "webhooks.1.secret_file") {
		t.Errorf("%+v\n%s", w, s.Log())
	}
}
