package config

import (
	"regexp"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// Bounds of what a plugin may hold and take; "chosen" where no other source is named. The ABI's maxima are the most that any plugin may count on, so
// that a plugin may be given less, never more.
const (
	minMemory, maxMemory     = 64 << 10, 4 << 30  // one page and the address space of wasm32
	minProcess, maxProcess   = 32 << 20, 64 << 30 // a Go process that serves gRPC writes to 15 to 30 MiB before it does anything; chosen
	minEvent, maxEvent       = 100 * time.Microsecond, 10 * time.Second
	minOpen, maxOpen         = 10 * time.Millisecond, time.Minute
	minRetained, maxRetained = 4 << 10, abi.MaxRetain
	minState, maxState       = 1 << 10, abi.MaxState
	minWrites, maxWrites     = 1 << 10, 16 << 10 // spec.md 9
	maxTimers                = abi.MaxTimers
	maxLogLines              = 10_000
	minQueued, maxQueued     = 16, 65_536
	minFiles, maxFiles       = 32, 1 << 20 // a Go process opens about ten before it does anything; fs.nr_open
	minProcesses             = 16          // setrlimit(2) counts threads, of which a Go process has a dozen, of all that the user runs
	maxProcesses             = 4096
	maxInstances             = 64 // chosen: as many as workers of a listener
	minDrain, maxDrain       = 0, 24 * time.Hour
)

// userText is what useradd(8) accepts for a name, or a number.
var userText = regexp.MustCompile(`^([a-z_][a-z0-9_-]{0,30}\$?|[0-9]{1,10})$`)

// running reads how a plugin is run.
func (l *loader) running(p *Plugin, a at) {
	p.Instances = 1
	if instances := a.key("instances"); instances.present() {
		p.Instances = instances.within(1, maxInstances)
	}
	p.Drain = a.key("drain").duration(DefaultDrain, minDrain, maxDrain)
	if user := a.key("user"); user.present() {
		p.User = user.text()
		switch {
		case !a.key("exec").present():
			user.fail("is for exec alone, since a module runs inside of weir; remove it")
		case !userText.MatchString(p.User):
			user.fail("%q is not a user; write a name of /etc/passwd, or a number", p.User)
		}
	}
	p.Limits = l.limits(a.key("limits"), a.key("exec").present())
}

func (l *loader) limits(a at, isProcess bool) PluginLimits {
	for _, name := range []string{"files", "processes"} {
		if k := a.key(name); k.present() && !isProcess {
			k.fail("is for exec alone: a module opens no files and starts nothing; remove it")
		}
	}
	least, most := uint64(minMemory), uint64(maxMemory)
	if isProcess {
		least, most = minProcess, maxProcess
	}
	p := PluginLimits{
		Memory:    a.key("memory").size(least, most),
		Open:      a.key("open").duration(0, minOpen, maxOpen),
		LogLines:  a.key("log_lines").withinIf(1, maxLogLines),
		Retained:  a.key("retained").size(minRetained, maxRetained),
		State:     a.key("state").size(minState, maxState),
		Timers:    a.key("timers").withinIf(1, maxTimers),
		Writes:    a.key("pending_writes").size(minWrites, maxWrites),
		Queued:    a.key("queued_events").withinIf(minQueued, maxQueued),
		Files:     a.key("files").withinIf(minFiles, maxFiles),
		Processes: a.key("processes").withinIf(minProcesses, maxProcesses),
	}
	p.Event, p.SlowEvent = a.times("event", "slow_event")
	p.Packets, p.SlowPackets = a.times("packets", "slow_packets")
	return p
}

// times reads a hard limit and the soft one below it.
func (a at) times(hard, soft string) (longest, slow time.Duration) {
	longest = a.key(hard).duration(0, minEvent, maxEvent)
	slow = a.key(soft).duration(0, minEvent, maxEvent)
	if longest > 0 && slow > longest {
		a.key(soft).fail("%v is longer than %s, %v: nothing would ever be counted as slow; write at most that", slow, hard, longest)
	}
	return longest, slow
}

// withinIf is within for a key that may be absent, and is 0 then.
func (a at) withinIf(least, most int) int {
	if !a.present() {
		return 0
	}
	return a.within(least, most)
}
