package access

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func line(t testing.TB, name, password, realm string) string {
	t.Helper()
	s, err := newLine(name, password, realm, leastIterations)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUsersFile(t *testing.T) {
	text := "# those who may\n\n" + line(t, "anna", "one", "weir") + "\r\n" + line(t, "bert", "two", "") + "\n"
	u, err := ParseUsers("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(u.Names(), " "); got != "anna bert" || u.Realm("anna") != "weir" || u.Realm("bert") != "" || u.Has("carl") || u.Sum() == "" {
		t.Errorf("users %s", got)
	}
	for bad, want := range map[string]string{
		"anna":                                        "f:1: no NAME:HASH; write it anew",
		"anna:$apr1$x$y":                              "f:1: user anna has a hash of another program's",
		"an na:x":                                     `f:1: "an na" is no user's name`,
		"anna:pbkdf2-sha256$1$AAAAAAAAAAA$AA":         "f:1: user anna has no hash that weir knows",
		"\n" + line(t, "a", "b", "") + ":x":           "f:2: user a has a hash for Digest that weir does not know",
		line(t, "a", "b", "") + ":digest$r$0$":        "f:1: user a has a hash for Digest",
		strings.Repeat(line(t, "a", "b", "")+"\n", 2): "f:2: user a stands twice",
		strings.Repeat("x", 2*maxUsersLine):           "f:1: the line is too long",
	} {
		if _, err := ParseUsers("f", []byte(bad)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", bad, err, want)
		}
	}
}

// TestHash: what PBKDF2 gives is that of RFC 7914 11, and the line holds no password.
func TestHash(t *testing.T) {
	s := slowHash{iterations: 1, salt: []byte("salt")}
	s.hash, _ = hashText64.DecodeString("VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLw") // the first 32 bytes
	if s.fits("passwe") || !s.fits("passwd") {
		t.Error("PBKDF2 is another")
	}
	if l := line(t, "anna", "geheim", "weir"); strings.Contains(l, "geheim") {
		t.Errorf("line %s", l)
	}
}

func TestNewLineRefuses(t *testing.T) {
	for _, c := range [][3]string{{"", "x", "r"}, {"a:b", "x", "r"}, {"a", "", "r"}, {"a", "x\n", "r"}, {"a", "x", "r\""}, {"a", strings.Repeat("x", MaxPassword+1), "r"}, {strings.Repeat("a", MaxName+1), "x", "r"}} {
		if l, err := newLine(c[0], c[1], c[2], leastIterations); err == nil {
			t.Errorf("%q gives %q", c, l)
		} else if len(c[1]) > 2 && strings.Contains(err.Error(), c[1]) {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestPutLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	put := func(name, text string) bool {
		t.Helper()
		was, err := PutLine(path, name, text)
		if err != nil {
			t.Fatal(err)
		}
		return was
	}
	if _, err := PutLine(path, "anna", ""); err == nil {
		t.Error("who is not there was removed")
	}
	if put("anna", line(t, "anna", "one", "weir")) || put("bert", line(t, "bert", "two", "")) || !put("anna", line(t, "anna", "three", "weir")) {
		t.Error("who was there is not told")
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 2 || !bytes.HasPrefix(text, []byte("anna:")) {
		t.Fatalf("%v: %s", err, text)
	}
	if st, statErr := os.Stat(path); statErr != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, statErr)
	}
	if !put("anna", "") {
		t.Error("anna was not there")
	}
	if _, err = PutLine(path, "anna", ""); err == nil || !strings.Contains(err.Error(), "there is no user anna") {
		t.Errorf("removed twice: %v", err)
	}
	u, err := ReadUsers(path)
	if err != nil || strings.Join(u.Names(), " ") != "bert" {
		t.Errorf("%v, %v", u.Names(), err)
	}
	if err := os.WriteFile(path, []byte("broken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := PutLine(path, "anna", line(t, "anna", "one", "weir")); err == nil {
		t.Error("a broken file was written over")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".weir*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add([]byte("# x\n" + line(f, "anna", "one", "weir") + "\n"))
	f.Add([]byte("a:pbkdf2-sha256$1000$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:digest$r$$"))
	f.Add([]byte(":::\n$$$"))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := ParseUsers("f", text)
		if err != nil {
			return
		}
		for _, name := range u.Names() {
			a := u.find(name)
			if CheckName(name) != nil || a.slow.iterations < leastIterations || a.slow.iterations > mostIterations || len(a.slow.hash) != hashBytes || a.realm != "" && len(a.md5) != 32 {
				t.Errorf("user %q: %+v", name, a)
			}
		}
	})
}
