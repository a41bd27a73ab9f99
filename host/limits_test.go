package host_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

const limitedYAML = `listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf:
    module: "builtin:asf"
    limits: {%s}
points:
  live: {source: push}
`

// TestLimitsChange: limits of plugins.yaml are in force with a new generation, which the
// plan foresees; one bad line among good ones refuses the whole file.
func TestLimitsChange(t *testing.T) {
	t.Parallel()
	yaml := func(limits string) string { return fmt.Sprintf(limitedYAML, limits) }
	s := hosttest.Start(t, yaml("memory: 48MiB"))
	first, push := s.Plugin("asf"), s.Plugin("push")
	l := first.Limits
	if l == nil || l.MemoryBytes != 48<<20 || l.EventMillis != 50 || l.PacketsMillis != 20 || l.Timers != 16 || l.QueuedEvents != 1024 || push.Limits.MemoryBytes != 32<<20 {
		t.Fatalf("%+v and %+v", l, push.Limits)
	}
	const all = "memory: 40MiB, event: 20ms, slow_event: 2ms, packets: 10ms, slow_packets: 1ms, open: 5s, log_lines: 7, retained: 1MiB, state: 4KiB, " +
		"timers: 3, pending_writes: 8KiB, queued_events: 99"
	plan, err := s.Plan(yaml(all))
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Name != "asf" || len(plan.Changes[0].Keys) != 12 {
		t.Errorf("%+v %v", plan.Changes, err)
	}
	if _, err = s.Apply(yaml(all)); err != nil {
		t.Fatal(err)
	}
	second := s.Plugin("asf")
	const want = "{MemoryBytes:41943040 EventMillis:20 SlowEventMillis:2 PacketsMillis:10 SlowPacketsMillis:1 OpenMillis:5000 LogLines:7 " +
		"RetainedBytes:1048576 StateBytes:4096 Timers:3 PendingWriteBytes:8192 QueuedEvents:99}"
	if got := fmt.Sprintf("%+v", *second.Limits); got != want || second.Generation <= first.Generation || s.Plugin("push").Generation != push.Generation {
		t.Errorf("%+v", second)
	}

	was := stateOf(t, s)
	bad := strings.Replace(yaml("memory: 50MiB, timers: 17"), "  live:", "  more: {source: push}\n  live:", 1)
	for name, try := range map[string]func(string) (hosttest.Plan, error){"plan": s.Plan, "apply": s.Apply} {
		const want = `:6: plugins.asf.limits.timers: "17" is not a whole number from 1 to 16; write one`
		if _, err := try(bad); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "plugins.asf") != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if now := stateOf(t, s); now != was {
			t.Errorf("%s: it was %s\nand is %s", name, was, now)
		}
	}
}
