package proc

import (
	"strconv"
	"testing"
)

func TestFindAccount(t *testing.T) {
	text := nobodysGroup()
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		t.Fatalf("nobody's group is %q: %v", text, err)
	}
	nogroup := uint32(n)
	for _, test := range []struct {
		name     string
		uid, gid uint32
		known    bool
	}{{"root", 0, 0, true}, {"0", 0, 0, true}, {"3999999", 3999999, nogroup, true}, {"-1", 0, 0, false}, {"no such account", 0, 0, false}, {"99999999999", 0, 0, false}} {
		uid, gid, err := find(test.name)
		if (err == nil) != test.known || uid != test.uid || gid != test.gid {
			t.Errorf("%q: %d, %d, %v", test.name, uid, gid, err)
		}
	}
}
