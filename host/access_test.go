package host_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/sample"
)

// usersOf makes a file of users, each with the password "geheim".
func usersOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		line, err := access.NewLine(name, "geheim", access.DefaultRealm)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(line + "\n")
	}
	return []byte(b.String())
}

const ruledYAML = `
%s
listeners: {web: {address: "127.0.0.1:0"}}
points:
  film: {source: {url: "file:one.asf"}, grace: 10s}
plugins:
  file: {module: "builtin:file", grant: {publish: ["*"], read: ["*.asf"]}}
  asf: {module: "builtin:asf"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
`

// statusOf gives the status of a request, as anybody or as somebody.
func statusOf(t *testing.T, s *hosttest.Server, path, user string) int {
	t.Helper()
	q, err := http.NewRequest(http.MethodGet, s.URL("web", "http", path), nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		q.SetBasicAuth(user, "geheim")
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(resp.Body, make([]byte, 1))
	resp.Body.Close()
	return resp.StatusCode
}

// TestAccessIsPartOfAChange: rules and users are put in force with the configuration, all
// or nothing; who is connected stays, and the plan says who would not be let in again.
func TestAccessIsPartOfAChange(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, fmt.Sprintf(ruledYAML, ""), hosttest.WithFile("one.asf", sample.Demo()))
	s.WaitPoint("film", "live")
	s.WaitMedia("film", 1)
	ended := watch(t, s, "/film")
	s.WaitViewers("film", 1)
	ruled := fmt.Sprintf(ruledYAML, `access: {users_file: users.txt, rules: [{do: play, users: [anna]}]}`)
	if _, err := s.Apply(ruled); err == nil || !strings.Contains(err.Error(), "plugins.yaml:2: access.users_file: ") || !strings.Contains(err.Error(), "weir user add") {
		t.Fatalf("without a file of users: %v", err)
	}
	if got := statusOf(t, s, "/film", ""); got != http.StatusOK {
		t.Errorf("after a change that was refused: %d", got)
	}
	s.WaitViewers("film", 1)
	s.WriteFile("users.txt", usersOf(t, "anna"))
	plan, err := s.Plan(ruled)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Changes) != 1 || plan.Changes[0].Name != "access" || !strings.Contains(plan.Changes[0].Note, "who is connected stays") ||
		len(plan.Sessions) != 1 || plan.Sessions[0].Effect != "kept" || plan.Sessions[0].Role != "viewer" {
		t.Errorf("plan %+v", plan)
	}
	if _, err = s.Apply(ruled); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]int{"": http.StatusUnauthorized, "anna": http.StatusOK, "bert": http.StatusUnauthorized} {
		if got := statusOf(t, s, "/film", user); got != want {
			t.Errorf("as %q: %d, want %d", user, got, want)
		}
	}
	select {
	case <-ended:
		t.Error("who was connected was ended")
	default:
	}
	s.WriteFile("users.txt", usersOf(t, "bert"))
	if plan, err = s.Apply(ruled); err != nil || len(plan.Changes) != 1 || !strings.Contains(plan.Changes[0].Note, "the file of users is another") ||
		len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], `plugins.yaml:2: access.rules.0.users.0: there is no user "anna"`) {
		t.Errorf("with other users: %v, %+v", err, plan)
	}
	if got := statusOf(t, s, "/film", "anna"); got != http.StatusUnauthorized {
		t.Errorf("who was removed gets %d", got)
	}
	if st := s.Status().Access; st == nil || st.Rules != 1 || st.Users != 1 || st.Judged["play"]["admitted"] == 0 || st.Judged["play"]["wrong"] == 0 {
		t.Errorf("status %+v", st)
	}
}

// TestUsersAreWatched: with watch: true a file of users is in force once it is another.
func TestUsersAreWatched(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	s := hosttest.Start(t, fmt.Sprintf(ruledYAML, "watch: true\naccess: {users_file: users.txt, rules: [{do: play, users: ['*']}]}"),
		hosttest.WithFile("one.asf", sample.Demo()), hosttest.WithFile("users.txt", usersOf(t, "anna")), hosttest.WithTimer(clock.after))
	s.WaitPoint("film", "live")
	s.WaitMedia("film", 1)
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	if got := statusOf(t, s, "/film", "anna"); got != http.StatusOK {
		t.Errorf("anna gets %d", got)
	}
	clock.change(t, func() { swapIn(t, s.Dir()+"/users.txt", usersOf(t, "bert")) })
	hosttest.Eventually(t, "bert is let in", func() bool { return statusOf(t, s, "/film", "bert") == http.StatusOK })
	if got := statusOf(t, s, "/film", "anna"); got != http.StatusUnauthorized {
		t.Errorf("anna gets %d", got)
	}
}
