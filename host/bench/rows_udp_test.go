package main

import (
	"math"
	"testing"
)

// TestBlend: sends that cost 8 and 9 µs, mixed one to three, cost 8.75 µs for 3.75 datagrams.
func TestBlend(t *testing.T) {
	perGB := func(micros, datagrams float64) float64 { return micros * 1e-6 / (datagrams * udpSize) * 1e9 }
	shots := [2]shot{{cpuPerGB: perGB(8, 3)}, {cpuPerGB: perGB(9, 4)}}
	for _, c := range []struct{ datagrams, micros float64 }{{3, 8}, {3.75, 8.75}, {4, 9}, {2.5, 8}, {4.5, 9}} {
		bytes := int(c.datagrams * udpSize)
		sent := min(max(c.datagrams, 3), 4)
		if got, want := blend(shots, 3, bytes).cpuPerGB, perGB(c.micros, sent); math.Abs(got-want) > 1e-3 {
			t.Errorf("%v datagrams a send cost %v s/GB, not %v", c.datagrams, got, want)
		}
	}
}
