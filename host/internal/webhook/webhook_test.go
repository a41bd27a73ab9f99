package webhook

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/journal"
)

// receiver is the other side of a hook, without a network; answers are given one after
// another, the last again and again. 0: the connection fails.
type receiver struct {
	mu      sync.Mutex
	answers []int
	posts   []Post
	heads   []http.Header
	bodies  [][]byte
	stuck   bool
}

func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck {
		<-q.Context().Done()
		return nil, q.Context().Err()
	}
	code := r.answers[0]
	if len(r.answers) > 1 {
		r.answers = r.answers[1:]
	}
	if code == 0 {
		return nil, errors.New("connection refused")
	}
	var p Post
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	r.posts, r.heads, r.bodies = append(r.posts, p), append(r.heads, q.Header), append(r.bodies, body)
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{"Location": {"http://elsewhere/"}}, Body: io.NopCloser(strings.NewReader("thanks")), Request: q}, nil
}

const secret = "a secret of at least sixteen"

func hook(t *testing.T, r *receiver, kinds ...journal.Kind) (*Hook, *journal.Journal) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := journal.New(time.Now)
	h, err := Open(Options{Journal: j, URL: "http://127.0.0.1:9/hook", Events: kinds, SecretFile: path, Version: "test", Log: slog.New(slog.DiscardHandler), Client: &http.Client{Transport: r}})
	if err != nil {
		t.Fatal(err)
	}
	return h, j
}

func TestSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []int{204}}
		h, j := hook(t, r, journal.Play)
		j.Tell(journal.Event{Kind: journal.Play, Point: "live", Peer: "192.0.2.1:5"})
		j.Tell(journal.Event{Kind: journal.Stop, Point: "live"})
		synctest.Wait()
		j.Tell(journal.Event{Kind: journal.Play, Point: "tv"})
		h.Close(time.Second)
		if len(r.posts) != 2 || len(r.posts[0].Events) != 1 || r.posts[0].Events[0].Peer != "192.0.2.1:5" || r.posts[1].Events[0].Point != "tv" {
			t.Fatalf("%+v", r.posts)
		}
		head := r.heads[0]
		if !hmac.Equal([]byte(head.Get(SignatureField)), []byte(Sign([]byte(secret), r.bodies[0]))) || head.Get("Content-Type") != "application/json" ||
			head.Get("User-Agent") != "weir/test" || head.Get(AttemptField) != "1" {
			t.Errorf("%v", head)
		}
		if st := h.Status(); st != (Status{URL: "http://127.0.0.1:9/hook", Posted: 2}) {
			t.Errorf("%+v", st)
		}
	})
}

// TestRenewed: what is posted is signed with the secret that was read last; one that cannot
// be used leaves the one before.
func TestRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []int{204}}
		h, j := hook(t, r)
		const other = "quite another secret"
		for i, c := range []struct{ file, used, fails string }{{secret, secret, ""}, {other, other, ""}, {"short", other, "holds 5 characters"}} {
			if err := os.WriteFile(h.o.SecretFile, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := h.Renew(); (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", c.file, err)
			}
			j.Tell(journal.Event{Kind: journal.Play})
			synctest.Wait()
			if len(r.posts) != i+1 || r.heads[i].Get(SignatureField) != Sign([]byte(c.used), r.bodies[i]) {
				t.Errorf("%d posts, the last one not signed with %q", len(r.posts), c.used)
			}
		}
		h.Close(time.Second)
	})
}

// TestAgain: what a receiver has not taken is posted again after a while that doubles, the
// same with each attempt.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []int{0, 500, 429, 200}}
		h, j := hook(t, r)
		began := time.Now()
		j.Tell(journal.Event{Kind: journal.Point, What: "live"})
		for h.Status().Posted == 0 {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("it took %v; pauses of 1, 2 and 4 s were due", took)
		}
		if n := len(r.bodies); n != 3 || string(r.bodies[0]) != string(r.bodies[2]) || r.heads[2].Get(AttemptField) != "4" {
			t.Errorf("%d posts, the last was attempt %s", n, r.heads[n-1].Get(AttemptField))
		}
		h.Close(time.Second)
	})
}

// TestRefused: a receiver that says no, or elsewhere, is not asked again; the next post tells
// how many events it has missed.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []int{404, 307, 200}}
		h, j := hook(t, r)
		for range 3 {
			j.Tell(journal.Event{Kind: journal.Point})
			synctest.Wait()
		}
		if st := h.Status(); st.Posted != 1 || st.Missed != 2 || st.Error != "" || len(r.posts) != 3 || r.posts[2].Missed != 2 {
			t.Errorf("%+v, %+v", st, r.posts)
		}
		h.Close(time.Second)
	})
}

// TestDead: nobody waits for a receiver that does not answer, its queue is bounded, and the
// end does not wait for it either.
func TestDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{stuck: true}
		h, j := hook(t, r)
		began := time.Now()
		const told = journal.DefaultQueue + 1000
		for range told {
			j.Tell(journal.Event{Kind: journal.Point})
		}
		synctest.Wait()
		if time.Since(began) != 0 {
			t.Error("somebody has waited")
		}
		h.Close(2 * time.Second)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the end took %v", took)
		}
		if st := h.Status(); st.Posted != 0 || st.Missed < 900 || st.Error == "" {
			t.Errorf("%+v", st)
		}
	})
}

func TestSecrets(t *testing.T) {
	j := journal.New(time.Now)
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{short: "holds 1 characters", short + "er": "no such file"} {
		if _, err := Open(Options{Journal: j, URL: "http://x/", SecretFile: path}); err == nil || !strings.Contains(err.Error(), want) || j.Heard() {
			t.Errorf("%s: %v", path, err)
		}
	}
}
