package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const limited = `watch: true
plugins:
  mine:
    module: a.wasm
    instances: 4
    drain: 90s
    limits:
      memory: 128MiB
      event: 20ms
      slow_event: 4ms
      packets: 10ms
      slow_packets: 1ms
      open: 5s
      log_lines: 10
      retained: 1MiB
      state: 8KiB
      timers: 4
      pending_writes: 8KiB
      queued_events: 512
  out: {exec: ./out, user: weir-out, drain: 0s, limits: {files: 64, processes: 32, memory: 1GiB}}
`

func TestLimits(t *testing.T) {
	c := parsed(t, limited, "WEIR_PLUGINS__OUT__LIMITS__FILES=65", "WEIR_PLUGINS__OUT__INSTANCES=2", "WEIR_PLUGINS__OUT__USER=65534")
	mine, _ := c.Plugin("mine")
	want := PluginLimits{
		Memory: 128 << 20, Event: 20 * time.Millisecond, SlowEvent: 4 * time.Millisecond, Packets: 10 * time.Millisecond, SlowPackets: time.Millisecond,
		Open: 5 * time.Second, LogLines: 10, Retained: 1 << 20, State: 8 << 10, Timers: 4, Writes: 8 << 10, Queued: 512,
	}
	if mine.Limits != want || mine.Instances != 4 || mine.Drain != 90*time.Second || !c.Watch {
		t.Errorf("%+v", mine)
	}
	out, _ := c.Plugin("out")
	if out.Limits != (PluginLimits{Memory: 1 << 30, Files: 65, Processes: 32}) || out.User != "65534" || out.Instances != 2 || out.Drain != 0 {
		t.Errorf("%+v", out)
	}
	if c = parsed(t, limited, "weir_watch=false"); c.Watch {
		t.Error("the variable does not switch watch off")
	}
	if got, want := fmt.Sprint(Differences(parsed(t, strings.Replace(limited, "20ms", "30ms", 1)), c)), "[{[plugins mine limits event] 30ms 20ms} {[watch] true false}]"; got != want {
		t.Errorf("differences %s, want %s", got, want)
	}
}

func TestLimitProblems(t *testing.T) {
	const module, exec = "plugins:\n  a:\n    module: b\n    ", "plugins:\n  a:\n    exec: b\n    "
	for _, c := range []struct{ text, want string }{
		{"watch: often", `f.yaml:1: watch: "often" is neither true nor false; write one of them`},
		{module + "instances: 0", `f.yaml:4: plugins.a.instances: "0" is not a whole number from 1 to 64; write one`},
		{module + "instances: 65", `f.yaml:4: plugins.a.instances: "65" is not a whole number from 1 to 64; write one`},
		{module + "drain: 25h", "f.yaml:4: plugins.a.drain: 25h0m0s is out of range; choose 0s to 24h0m0s"},
		{module + "user: nobody", "f.yaml:4: plugins.a.user: is for exec alone, since a module runs inside of weir; remove it"},
		{exec + "user: a:b", `f.yaml:4: plugins.a.user: "a:b" is not a user; write a name of /etc/passwd, or a number`},
		{module + "limits: {files: 64}", "f.yaml:4: plugins.a.limits.files: is for exec alone: a module opens no files and starts nothing; remove it"},
		{module + "limits: {processes: 64}", "f.yaml:4: plugins.a.limits.processes: is for exec alone"},
		{exec + "limits: {memory: 16MiB}", `f.yaml:4: plugins.a.limits.memory: 16MiB is out of range; choose 32MiB to 64GiB`},
		{module + "limits: {memory: 8GiB}", `f.yaml:4: plugins.a.limits.memory: 8GiB is out of range; choose 64KiB to 4GiB`},
		{exec + "limits: {files: 3}", `f.yaml:4: plugins.a.limits.files: "3" is not a whole number from 32 to 1048576; write one`},
		{module + "limits: {event: 5ms, slow_event: 6ms}", "f.yaml:4: plugins.a.limits.slow_event: 6ms is longer than event, 5ms: nothing would ever be counted as slow; write at most that"},
		{module + "limits: {packets: 5ms, slow_packets: 6ms}", "f.yaml:4: plugins.a.limits.slow_packets: 6ms is longer than packets, 5ms"},
		{module + "limits: {open: 2m}", "f.yaml:4: plugins.a.limits.open: 2m0s is out of range; choose 10ms to 1m0s"},
		{module + "limits: {state: 65KiB}", "f.yaml:4: plugins.a.limits.state: 65KiB is out of range; choose 1KiB to 64KiB"},
		{module + "limits: {retained: 8MiB}", "f.yaml:4: plugins.a.limits.retained: 8MiB is out of range; choose 4KiB to 4MiB"},
		{module + "limits: {pending_writes: 17KiB}", "f.yaml:4: plugins.a.limits.pending_writes: 17KiB is out of range; choose 1KiB to 16KiB"},
		{module + "limits: {timers: 17}", `f.yaml:4: plugins.a.limits.timers: "17" is not a whole number from 1 to 16; write one`},
		{module + "limits: {queued_events: 3}", `f.yaml:4: plugins.a.limits.queued_events: "3" is not a whole number from 16 to 65536; write one`},
		{module + "limits: {log_lines: none}", `f.yaml:4: plugins.a.limits.log_lines: "none" is not a whole number from 1 to 10000; write one`},
		{module + "limits: {time: 3s}", `f.yaml:4: plugins.a.limits.time: unknown key; did you mean "timers"?`},
		{module + "limits: {event: {hard: 3s}}", "f.yaml:4: plugins.a.limits.event: is not one plain value; write one"},
	} {
		got, err := Options{}.Parse("f.yaml", ".", []byte(c.text), nil)
		if got != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// checkPlugin is what FuzzLoad holds every plugin to.
func checkPlugin(t *testing.T, p Plugin) {
	l := p.Limits
	if p.Instances < 1 || p.Instances > maxInstances || p.Drain < 0 || p.Drain > maxDrain || p.User != "" && p.Exec == "" ||
		l.State > maxState || l.Retained > maxRetained || l.Writes > maxWrites || l.Timers > maxTimers || l.Queued > maxQueued ||
		l.Event > 0 && l.SlowEvent > l.Event || l.Packets > 0 && l.SlowPackets > l.Packets || p.Exec == "" && l.Files+l.Processes > 0 {
		t.Fatalf("accepted %+v", p)
	}
}
