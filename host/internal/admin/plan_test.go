package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func propose(t *testing.T, h http.Handler, path, body string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestProposals(t *testing.T) {
	h := NewHandler(&fakeServer{}, nil)
	for _, c := range []struct {
		path, body string
		code       int
		says       string
	}{
		{"/v1/config/plan", `{"file": "f.yaml", "dir": "/etc", "text": "wmsp"}`, 200, `"config": "f.yaml in /etc"`},
		{"/v1/config/plan", `{"file": "f.yaml", "text": "wmsp"}`, 200, `"applied": false`},
		{"/v1/config/apply", `{"file": "f.yaml", "text": "wmsp"}`, 200, `"applied": true`},
		{"/v1/config/apply", `{"file": "f.yaml", "text": "wmsp"}`, 200, `"keys": []`},
		{"/v1/config/apply", `{"file": "f.yaml", "text": "wmsp"}`, 200, `"sessions": []`},
		{"/v1/config/plan", `{"file": "f.yaml", "text": "bad"}`, 409, `f.yaml:1: is bad; mend it\nnothing has changed`},
		{"/v1/config/apply", `{"file": "f.yaml", "text": "bad"}`, 409, `f.yaml:1: is bad; mend it\nnothing has changed`},
		{"/v1/config/apply", "points:\n", 400, "is no configuration"},
		{"/v1/config/apply", "", 400, "is no configuration"},
		{"/v1/config/apply", `{"path": "/etc/passwd"}`, 400, "unknown field"},
		{"/v1/config/apply", `{"text": "` + strings.Repeat("x", maxProposal) + `"}`, 400, "too large"},
		{"/v1/config/undo", `{}`, 404, "there is no"},
	} {
		if code, body := propose(t, h, c.path, c.body); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s %.60s: %d %s", c.path, c.body, code, body)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/config/plan", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

func TestClientProposes(t *testing.T) {
	s := httptest.NewServer(NewHandler(&fakeServer{}, nil))
	defer s.Close()
	c, err := NewClient(s.Listener.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	p := Proposal{File: "f.yaml", Dir: "/etc", Text: "wmsp"}
	plan, err := c.PlanConfig(t.Context(), p)
	if err != nil || plan.Applied || len(plan.Changes) != 1 || plan.Changes[0].Name != "wmsp" {
		t.Errorf("%+v, %v", plan, err)
	}
	if plan, err = c.ApplyConfig(t.Context(), p); err != nil || !plan.Applied {
		t.Errorf("%+v, %v", plan, err)
	}
	p.Text = "bad"
	_, err = c.ApplyConfig(t.Context(), p)
	var answer *AnswerError
	if !errors.As(err, &answer) || answer.Status != http.StatusConflict || !strings.HasPrefix(err.Error(), "f.yaml:1:") {
		t.Errorf("%v", err)
	}
	if c.IsLocal() {
		t.Error("TCP is taken for a unix socket")
	}
}
