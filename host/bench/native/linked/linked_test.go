//go:build !weirnative

package linked

import "testing"

// TestNothingIsLinkedIn: a release has its plugins in sandboxes only.
func TestNothingIsLinkedIn(t *testing.T) {
	if n := len(plugins()); n != 0 || Plugin("push") != nil {
		t.Errorf("%d plugins are linked into the host", n)
	}
}
