package media

import (
	"testing"
	"time"
)

func TestStrings(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Flags(0).String(), "-"},
		{Key.String(), "key"},
		{Discontinuity.String(), "discontinuity"},
		{(Key | Discontinuity).String(), "key|discontinuity"},
		{Flags(8).String(), "0x8"},
		{Rate(999).String(), "999bit/s"},
		{Rate(128_000).String(), "128kbit/s"},
		{Rate(5_200_000).String(), "5.2Mbit/s"},
		{Rate(1_500_000_000).String(), "1.5Gbit/s"},
		{FromDuration(1500 * time.Millisecond).String(), "1.5s"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTimeAndRate(t *testing.T) {
	if got := FromDuration(1999 * time.Microsecond).Milliseconds(); got != 1 {
		t.Errorf("milliseconds %d, want 1", got)
	}
	if got := Time(time.Second).Duration(); got != time.Second {
		t.Errorf("duration %v", got)
	}
	if got := RateOf(125_000, Time(time.Second)); got != 1_000_000 {
		t.Errorf("rate %v, want 1Mbit/s", got)
	}
	if RateOf(1, 0) != 0 {
		t.Error("a rate over no time must be unknown")
	}
	if f := Key | Discontinuity; !f.Has(Key) || Key.Has(Discontinuity) {
		t.Error("Has is wrong")
	}
}
