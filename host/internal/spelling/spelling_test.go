package spelling

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"limits", "listens", "capabilities"}
	for word, want := range map[string]string{
		"limts": `did you mean "limits"?`, "LISTENS": `did you mean "listens"?`, "x": "known here: capabilities, limits, listens",
		strings.Repeat("capabilities", 1000): `did you mean "capabilities"?`,
	} {
		if got := Nearest(word, known); got != want && len(word) < 100 {
			t.Errorf("%.20s: %s, want %s", word, got, want)
		}
	}
	if got := Nearest("x", nil); got != "none is known here" {
		t.Error(got)
	}
}
