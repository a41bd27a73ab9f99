package host

import (
	"testing"

	"github.com/weir-media/weir/host/internal/config"
)

// TestKeptListener: a file that has gone from under a listener which stays as it is
// does not stand in the way of other changes; it is told of.
func TestKeptListener(t *testing.T) {
	text := "listeners:\n  web: {address: ':80', fallback: {files: gone}}\npoints: {}\n"
	c, err := config.Options{}.Parse("f.yaml", t.TempDir(), []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if wrong, _ := crossCheck(c, nil, nil); len(wrong) != 1 {
		t.Errorf("a new listener: %v", wrong)
	}
	wrong, doubtful := crossCheck(c, nil, (&proposal{old: c}).isKept)
	if len(wrong) != 0 || len(doubtful) != 1 {
		t.Errorf("one that stays: wrong %v, doubtful %v", wrong, doubtful)
	}
}
