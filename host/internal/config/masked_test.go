package config

import (
	"strings"
	"testing"
)

// TestNoPasswordInProblems: a URL that is none is not repeated with the password in it.
func TestNoPasswordInProblems(t *testing.T) {
	for _, url := range []string{"http://cam:p%ss@enc/", "http://cam:pa/%ss@enc:x/", "cam:p%ss@enc", "http://cam:p%ss@"} {
		text := "points:\n  live:\n    source: {url: \"" + url + "\"}\nwebhooks:\n  - {url: \"" + url + "\"}\n"
		_, err := Default([]byte(text), nil)
		if err == nil {
			t.Fatalf("%s was taken", url)
		}
		if strings.Contains(err.Error(), "p%ss") || strings.Contains(err.Error(), "cam:") {
			t.Errorf("%v", err)
		}
	}
}
