// Package webhook is the room of the addresses to which events are posted.
//
// It owns a hook for each: one goroutine, a bounded queue, and the secret that signs what it
// posts. Events of the journal come in; HTTP requests go out. A receiver that is slow or
// dead costs events, which are counted, and costs nobody else anything. It never follows a
// redirect, and never logs a secret.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/journal"
)

// The header fields of what is posted.
const (
	// SignatureField is "sha256=" and the HMAC-SHA256 of the body in hex, by the secret.
	SignatureField = "X-Weir-Signature"
	// AttemptField counts from 1 how often the same body was posted.
	AttemptField = "X-Weir-Attempt"
)

// Post is the body of a request.
type Post struct {
	Events []*journal.Event `json:"events"`
	Missed uint64           `json:"missed,omitempty"` // events before these that were not posted
}

// Options describe a hook. Journal, URL and Log must be set.
type Options struct {
	Journal    *journal.Journal
	URL        string
	Events     []journal.Kind // empty: all
	SecretFile string         // empty: nothing is signed
	Version    string         // of weir
	Log        *slog.Logger
	Client     *http.Client // nil: one of the hook's own
}

// Bounds. Chosen: a post is small, and who has not taken it after half a minute has lost it.
const (
	postTimeout = 10 * time.Second
	attempts    = 6
	firstPause  = time.Second
	mostPause   = 30 * time.Second
	perPost     = 100     // events
	maxSecret   = 4 << 10 // bytes
	maxAnswer   = 64 << 10
	minSecret   = 16 // as of the admin API's token
)

// Status is a hook at one moment.
type Status struct {
	URL    string
	Posted uint64 // events that the receiver has taken
	Missed uint64 // events that were lost
	Error  string // of the last request, empty if it was taken
}

// Hook posts events until Close. It is safe for concurrent use.
type Hook struct {
	o      Options
	reader *journal.Reader
	loops  sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	status Status
	secret []byte // nil: nothing is signed; replaced whole
}

// Open begins a hook. It fails when its secret cannot be read, since nobody could trust
// what it posts.
func Open(o Options) (*Hook, error) {
	h := &Hook{o: o, status: Status{URL: o.URL}}
	if err := h.Renew(); err != nil {
		return nil, err
	}
	if h.o.Client == nil {
		h.o.Client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute}}
	}
	client := *h.o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // what is signed is for one receiver
	h.o.Client = &client
	var err error
	if h.reader, err = o.Journal.Read(journal.Filter{Kinds: o.Events}); err != nil {
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.loops.Go(h.loop)
	return h, nil
}

// Renew reads the secret again, with which posts are signed from now on. After an error they
// are signed with the one before.
func (h *Hook) Renew() error {
	if h.o.SecretFile == "" {
		return nil
	}
	secret, err := readSecret(h.o.SecretFile)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secret = secret
	return nil
}

// Check tells why a secret cannot be used; nil if it can.
func Check(path string) error {
	_, err := readSecret(path)
	return err
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret of a webhook: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return nil, fmt.Errorf("read the secret of a webhook: %w", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) < minSecret {
		return nil, fmt.Errorf("read the secret of a webhook: %s holds %d characters; at least %d are needed", path, len(text), minSecret)
	}
	return text, nil
}

// Sign gives the value of SignatureField.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// loop posts until the reader ends.
func (h *Hook) loop() {
	var missed uint64
	for {
		events, more := h.reader.Next(h.ctx, perPost)
		if len(events) == 0 && more == 0 {
			return
		}
		missed += more
		h.count(0, more, nil)
		body, err := json.Marshal(Post{Events: list(events), Missed: missed})
		if err != nil { // no field of an event can bring this about
			h.count(0, uint64(len(events)), err)
			continue
		}
		if h.deliver(body, len(events)) {
			missed = 0
		} else {
			missed += uint64(len(events))
		}
	}
}

func list(events []*journal.Event) []*journal.Event {
	if events == nil {
		return []*journal.Event{}
	}
	return events
}

// deliver posts a body until it is taken, or was tried often enough.
func (h *Hook) deliver(body []byte, events int) bool {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		again, err := h.post(body, attempt)
		if err == nil {
			h.count(uint64(events), 0, nil)
			return true
		}
		if attempt == 1 && h.Status().Error == "" {
			h.o.Log.Warn("webhook: the receiver does not take events", "url", h.o.URL, "error", err)
		}
		if !again || attempt == attempts {
			h.count(0, uint64(events), err)
			return false
		}
		h.count(0, 0, err)
		timer := time.NewTimer(pause)
		select {
		case <-h.ctx.Done():
			timer.Stop()
			h.count(0, uint64(events), err)
			return false
		case <-timer.C:
		}
		pause = min(2*pause, mostPause)
	}
}

// post tells, with its error, whether it may go better another time.
func (h *Hook) post(body []byte, attempt int) (again bool, err error) {
	ctx, cancel := context.WithTimeout(h.ctx, postTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.o.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", strings.TrimSpace("weir/"+h.o.Version))
	r.Header.Set(AttemptField, strconv.Itoa(attempt))
	h.mu.Lock()
	secret := h.secret
	h.mu.Unlock()
	if secret != nil {
		r.Header.Set(SignatureField, Sign(secret, body))
	}
	answer, err := h.o.Client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return true, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // so that the connection can be used again
	answer.Body.Close()
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return true, fmt.Errorf("it answers %s", answer.Status)
	}
	return false, fmt.Errorf("it answers %s", answer.Status) // the same would be said again
}

func (h *Hook) count(posted, missed uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Posted += posted
	h.status.Missed += missed
	switch {
	case err != nil:
		h.status.Error = err.Error()
	case posted > 0:
		h.status.Error = ""
	}
}

// Status tells how the hook fares.
func (h *Hook) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// Close ends the hook. What waits is posted if that succeeds within the given time.
func (h *Hook) Close(within time.Duration) {
	h.reader.Close()
	stop := time.AfterFunc(within, h.cancel)
	h.loops.Wait()
	stop.Stop()
	h.cancel()
	h.o.Client.CloseIdleConnections()
}
