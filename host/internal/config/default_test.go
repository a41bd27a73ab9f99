package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// commentOf gives the comment above a section, up to the blank line before, and what is
// commented out below its first line.
func commentOf(t *testing.T, text, section string) string {
	t.Helper()
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(block, "#") && strings.Contains(block, "\n"+section) {
			return block
		}
	}
	t.Fatalf("there is no %q with a comment", section)
	return ""
}

// TestDefaultSaysAll: the file that a user begins with has each key of points, and of what is
// told of them, and the examples in its comments are right once they are none.
func TestDefaultSaysAll(t *testing.T) {
	b, err := os.ReadFile("../../../plugins.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var look func(s *shape, at, block string)
	look = func(s *shape, at, block string) {
		for name, below := range s.keys {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(block) {
				t.Errorf("nothing is said of %s.%s", at, name)
			}
			look(below, at+"."+name, block)
		}
	}
	for _, section := range []string{"limits", "log", "webhooks"} {
		look(root.keys[section], section, commentOf(t, text, "# "+section+":"))
	}
	look(root.keys["points"].each, "points", commentOf(t, text, "points:"))
	for old, now := range map[string]string{"\n# limits: {": "\nlimits: {", "\n# log: {": "\nlog: {", "\n# webhooks:\n#   - {": "\nwebhooks:\n  - {"} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q is not there once", old)
		}
		text = strings.Replace(text, old, now, 1)
	}
	c, err := Options{}.Parse("plugins.yaml", "/etc/weir", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.Viewers != 5000 || c.Limits.Bandwidth != 2e9 || c.Limits.PerViewer != 2e7 || c.Limits.Joins != 500 {
		t.Errorf("limits %+v", c.Limits)
	}
	if c.Log.File != "/etc/weir/logs/%Y%m%d.log" || len(c.Webhooks) != 1 || len(c.Webhooks[0].Events) != 3 || c.Webhooks[0].SecretFile != "/etc/weir/hook.secret" {
		t.Errorf("log %+v, webhooks %+v", c.Log, c.Webhooks)
	}
}
