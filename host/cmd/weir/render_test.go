package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// sample is a server where something of each kind went wrong.
func sample() admin.Status {
	hash := strings.Repeat("0123456789abcdef", 4)
	return admin.Status{
		Version: "1.2.3", Started: ago(26*time.Hour + 5*time.Minute), Config: "/etc/weir/plugins.yaml",
		Notes: []admin.Note{{Code: "0xC00D2EEB", Text: "nobody can reach the server", Remedy: "enable a plugin"}},
		Listeners: []admin.Listener{
			{Name: "rtsp", Addresses: []string{"0.0.0.0:8554"}, State: admin.ListenerDisabled},
			{Name: "wall", Addresses: []string{"192.0.2.1:80", "[2001:db8::1]:80"}, State: admin.ListenerFailed, Code: "0xC00D158B",
				Reason: "listen on 192.0.2.1:80: address already in use", Remedy: "another program holds this address and port: end it, or choose another port",
				Plugins: []string{"http"}},
			{Name: "web", Addresses: []string{"0.0.0.0:8080"}, State: admin.ListenerOpen, Plugins: []string{"http", "push", "wmsp"}, Accepted: 1207, Requests: 1190,
				Outcomes: map[string]uint64{"http": 1190, "unknown": 12, "mms_untaken": 5, "tls_on_plain": 0}},
		},
		Plugins: []admin.Plugin{
			{Name: "asf", Version: "0.1.0", State: admin.PluginRunning, Generation: 2, Hash: hash, Sessions: 3, Instances: 4,
				Limited: map[string]uint64{"timers": 3, "pending_writes": 12}, Work: admin.Work{Calls: 90210, Events: 120000, BusySeconds: 1.5},
				Spending: admin.Spending{CPUSeconds: 1.25, CPUOf: admin.CPUOfCalls, CPUPercent: 0.31},
				Blame: admin.Blame{Quarantines: 1, Aside: 3, TurnedAway: map[string]uint64{"throttled": 12, "quarantined": 4}, Throttled: []admin.Throttled{
					{Network: "198.51.100.0/24", Until: now.Add(time.Minute), Faults: 7}, {Network: "2001:db8::/64", Datagrams: true, Until: now.Add(500 * time.Millisecond), Faults: 1}}}},
			{Name: "mine", Version: "0.0.1", State: admin.PluginFailed, Code: "0xC00D157D", Reason: "trap during DATA; tried again in 4s", Generation: 7, Hash: hash,
				Work: admin.Work{Calls: 12, SlowCalls: 1, Refused: 2, Faults: 3, BusySeconds: 0.0005},
				Blame: admin.Blame{LastFault: &admin.Fault{At: ago(3 * time.Second), Kind: "trap", Session: 41, Peer: "198.51.100.7:5004", During: "DATA",
					Text:  "plugin \"mine\" generation 7: trap during DATA: unreachable\x1b[2J",
					Stack: "main.event\nmain.parse\nmain.header\nmain.byte\nmain.last\n", Log: "one\ntwo\nthree\nfour\nbefore the panic\n"}}},
			{Name: "off", State: admin.PluginDisabled, Reason: "disabled by an operator"},
			{Name: "out", State: admin.PluginQuarantined, Code: "0xC00D157D", Reason: "too many faults", Blame: admin.Blame{Until: now.Add(30 * time.Second)}},
		},
		Points: []admin.Point{
			{Name: "demo", State: "live", Source: "file: file:builtin/demo.asf", SourceSince: ago(26 * time.Hour), Sources: 1, Viewers: 12, MaxViewers: 1000,
				Renditions: []admin.Rendition{{Name: "asf", HeaderBytes: 5213, Generation: 1, HeldBytes: 4 << 20, HeldSeconds: 30.04}, {Name: "mmsh", From: "asf"}}, Delivery: delivered(),
				Parts: []admin.Part{{Rendition: "asf", Plugin: "http", Delivery: delivered()}, {Rendition: "mmsh", Plugin: "wmsp", Delivery: admin.Delivery{Viewers: 3, Attached: 3}}}},
			{Name: "group", State: "idle", Delivery: delivered(), Parts: []admin.Part{{Rendition: "mpegts", Delivery: delivered()}}},
			{Name: "live", State: "idle", Template: "l*"},
			{Name: "relay", State: "failed", Code: "0xC00D157E", Reason: "no plugin knows the scheme rtmp"},
		},
		Limits:  admin.Limits{CPUs: 2, OpenFiles: 61, MaxOpenFiles: 1048576, MemoryBytes: 96 << 20},
		Deliver: admin.Deliver{Viewers: 12, Bytes: 5 << 30, Sends: 81234, BytesPerSend: 66089, DroppedPackets: 7, Left: map[string]uint64{"peer_closed": 1100, "lag": 2, "shutdown": 0}},
	}
}

// delivered is a point that lost something for each kind of reason.
func delivered() admin.Delivery {
	steps := []admin.LagStep{{UpToMillis: 40, Count: 900}, {UpToMillis: 5120, Count: 99}, {UpToMillis: -1, Count: 11}}
	return admin.Delivery{Viewers: 9, Waiting: 1, Attached: 1109, Bytes: 5 << 30, Packets: 4_000_000, Sends: 81234, BytesPerSend: 66089, BusySeconds: 12.5,
		DroppedPackets: map[string]uint64{"lag": 7, "overrun": 2}, DroppedBytes: map[string]uint64{"lag": 9212, "overrun": 2632, "left_stalled": 3 << 20},
		Left: map[string]uint64{"peer_closed": 1100, "stalled": 1}, Lag: &admin.Lag{Samples: 1010, P50Millis: 40, P99Millis: -1, Steps: steps},
		Recent: &admin.Recent{Seconds: 10, BitsPerSecond: 9_040_000, SendsPerSecond: 225, BytesPerSend: 5022, BusyPercent: 0.42}}
}

func TestWriteStatus(t *testing.T) {
	var b strings.Builder
	writeStatus(&b, sample(), now)
	golden(t, "status.golden", b.String())
	if strings.Contains(b.String(), "\x1b") {
		t.Error("a plugin's text reaches the terminal as it is")
	}
}

func TestWriteSessions(t *testing.T) {
	var b strings.Builder
	writeSessions(&b, []admin.Session{
		{ID: 3, Plugin: "push", Role: "source", Peer: "198.51.100.7:40000", Point: "live", Rendition: "asf", Since: ago(time.Hour), BytesIn: 900 << 20},
		{ID: 17, Plugin: "wmsp", Role: "viewer", Peer: "203.0.113.9:50123", Point: "live", Rendition: "mmsh", Since: ago(90 * time.Second), BytesOut: 1536,
			Packets: 120, LagMillis: 1500, LagBytes: 20480, DroppedPackets: 4},
	}, now)
	golden(t, "sessions.golden", b.String())
}

func TestWritePorts(t *testing.T) {
	ports := []admin.Port{
		{Direction: admin.In, Protocol: "tcp", Address: "0.0.0.0", Port: "8080", Plugin: "http, push", Listener: "web", Rung: "bind", Purpose: "HTTP"},
		{Direction: admin.In, Protocol: "tcp", Address: "::", Port: "8080", Plugin: "http, push", Listener: "web", Purpose: "HTTP"},
		{Direction: admin.In, Protocol: "tcp", Address: "127.0.0.1", Port: "7070", Purpose: "admin API"},
		{Direction: admin.In, Protocol: "tcp", Address: "10.1.0.0/16", Port: "20000-20999", Listener: "wide", Rung: "steer", Purpose: "HTTP"},
		{Direction: admin.In, Protocol: "udp", Address: "2001:db8::/32", Port: "20000-20999", Listener: "wide", Rung: "steer", Purpose: "datagrams"},
		{Direction: admin.In, Protocol: "udp", Address: "239.192.7.7", Port: "5000", Listener: "in", Purpose: "datagrams of a group on eth0"},
		{Direction: admin.In, Protocol: "igmp", Address: "*", Listener: "in", Purpose: "joining groups on eth0"},
		{Direction: admin.Out, Protocol: "igmp", Address: "*", Listener: "in", Purpose: "joining groups on eth0"},
		{Direction: admin.Out, Protocol: "mld", Address: "*", Listener: "in", Purpose: "joining groups on eth0"},
		{Direction: admin.Out, Protocol: "tcp", Address: "0.0.0.0/0", Port: "80", Plugin: "pull", Purpose: "grant: dial"},
		{Direction: admin.Out, Protocol: "tcp", Address: "10.0.0.0/8", Port: "1-65535", Plugin: "pull", Purpose: "a \"grant\""},
		{Direction: admin.Out, Protocol: "tcp", Address: "*", Port: "443", Plugin: "pull", Purpose: "grant"},
		{Direction: admin.Out, Protocol: "tcp", Address: "*.example.com", Port: "443", Plugin: "pull", Purpose: "grant"},
		{Direction: admin.Out, Protocol: "tcp", Address: "10.0.0.1", Port: "1; flush ruleset", Purpose: "grant"},
	}
	var b strings.Builder
	writePorts(&b, ports)
	golden(t, "ports.golden", b.String())
	b.Reset()
	writeRules(&b, ports)
	golden(t, "ports_nft.golden", b.String())
	loads(t, b.String())
}

// loads has nftables judge rules, in a network namespace of its own: what is there already would be judged with them.
func loads(t *testing.T, rules string) {
	t.Helper()
	for _, program := range []string{"unshare", "nft"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			if os.Getenv("CI") == "true" && os.Getuid() == 0 {
				t.Fatalf("%s is not installed", program)
			}
			t.Skipf("nftables judges rules for root only, by %s: %v", program, err)
		}
	}
	// Alone, and as a part of a file that begins as Debian's.
	for _, text := range []string{rules, "flush ruleset\n" + rules + "table inet filter {\nchain input {\ntype filter hook input priority 0; policy drop\njump weir_in\n}\n}\n"} {
		cmd := exec.Command("unshare", "--net", "nft", "--check", "--file", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("nft: %v\n%s\nof\n%s", err, out, text)
		}
	}
}

func TestWriteChange(t *testing.T) {
	var b strings.Builder
	writeChange(&b, admin.PluginChange{Name: "mine", To: admin.Build{Version: "0.2.0", Generation: 9, Hash: strings.Repeat("f", 64)}, Sessions: 1, Note: "the module has not changed"})
	want := "plugin mine: nothing -> 0.2.0 generation 9 (ffffffffffff), 1 session went over\n  note: the module has not changed\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// proposed is a plan with something of everything.
func proposed(file string) admin.Plan {
	return admin.Plan{
		Config: file,
		Changes: []admin.Change{
			{What: admin.OfListener, Name: "web", Action: admin.Changed, Note: "who is connected stays, and requests under way are finished",
				Keys: []admin.KeyChange{{Key: "listeners.web.address", Old: "0.0.0.0:8080", New: "0.0.0.0:80"}, {Key: "listeners.web.tls.cert", New: "c.pem"}}},
			{What: admin.OfPlugin, Name: "mine", Action: admin.Removed, Keys: []admin.KeyChange{{Key: "plugins.mine.module", Old: "./mine.wasm\x1b[2J"}}},
		},
		URLs: []admin.URLChange{{Point: "live", Plugin: "wmsp", Old: "mmsh://127.0.0.1:8080/live", New: "mmsh://127.0.0.1:80/live"}, {Point: "live", Plugin: "mine", Old: "x://a/live"}},
		Sessions: []admin.Touched{
			{ID: 3, Plugin: "mine", Role: "viewer", Peer: "198.51.100.7:40000", Point: "live", Effect: admin.Ends, Why: "plugin mine is removed"},
			{ID: 4, Plugin: "http", Role: "viewer", Peer: "198.51.100.7:40001", Point: "live", Effect: admin.Moves, Why: "plugin http gets a new generation"},
			{ID: 5, Plugin: "http", Role: "none", Effect: admin.Moves, Why: "plugin http gets a new generation"},
		},
		Warnings: []string{"plugins.yaml:3: listeners.old: no enabled plugin takes connections here; name the listener"},
	}
}

func TestWritePlan(t *testing.T) {
	var b strings.Builder
	writePlan(&b, proposed("plugins.yaml"))
	applied := proposed("plugins.yaml")
	applied.Applied, applied.Sessions, applied.URLs, applied.Warnings = true, nil, nil, nil
	writePlan(&b, applied)
	writePlan(&b, admin.Plan{})
	golden(t, "plan.golden", b.String())
}

func TestUnits(t *testing.T) {
	for got, want := range map[string]string{
		size(0): "0 B", size(1023): "1023 B", size(1536): "1.5 KiB", size(uint64(1) << 63): "8192.0 PiB",
		age(-time.Second): "0ms", age(59 * time.Second): "59s", age(61 * time.Second): "1m1s", age(3 * time.Hour): "3h0m", age(49 * time.Hour): "2d1h",
		clean("a\x1b[31mb\u202ec\n"): "a?[31mb?c ",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
