package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// user runs `weir user` with a standard input.
func user(in string, args ...string) (out string, err error) {
	cmd := newUser()
	cmd.PersistentFlags().Bool("json", false, "") // the root's
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	var o bytes.Buffer
	cmd.SetIn(strings.NewReader(in))
	cmd.SetOut(&o)
	cmd.SetErr(&o)
	cmd.SetArgs(args)
	err = cmd.Execute()
	return o.String(), err
}

// TestUser: the file can be read by its owner alone, and holds no password.
func TestUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.txt")
	const secret = "geheim und lang"
	for _, c := range []struct {
		in, line string
		says     string // of the output, or of the error
		fails    bool
	}{
		{secret + "\n", "add camera1 -f FILE", "user camera1 added in", false},
		{secret, "add anna -f FILE --no-digest", "user anna added in", false},
		{"another\r\n", "add camera1 -f FILE", "has another password", false},
		{"", "add bert -f FILE", "read the password", true},
		{"\n", "add bert -f FILE", "the password is empty", true},
		{secret, "add a:b -f FILE", "is no user's name", true},
		{secret, "add bert -f FILE --realm a:b", "is no realm", true},
		{secret, "add bert", "which file? name it with -f FILE", true},
		{"", "list -f FILE", "anna     basic                         -", false},
		{"", "list -f FILE", "camera1  basic, digest, digest-sha256  weir", false},
		{"", "list -f FILE --json", `"realm": "weir"`, false},
		{"", "remove anna -f FILE", "user anna removed from", false},
		{"", "remove anna -f FILE", "there is no user anna", true},
		{"", "list -f FILE.none", "no such file", true},
	} {
		out, err := user(c.in, strings.Fields(strings.ReplaceAll(c.line, "FILE", file))...)
		if err != nil {
			out += err.Error()
		}
		if (err != nil) != c.fails || !strings.Contains(out, c.says) || strings.Contains(out, secret) {
			t.Errorf("%s: %s\nwant %q", c.line, out, c.says)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte("another")) || bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("%v: the file is %s", err, text)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}
