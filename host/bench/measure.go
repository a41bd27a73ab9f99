package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// shot is one run of viewers against a service.
type shot struct {
	report
	cpuPerGB     float64 // seconds of the server's processor time for 10^9 bytes that viewers got
	cpuShare     float64 // of a core
	bytesPerSend float64 // as weir shows it, else 0
	foreign      float64 // processor time of others, in percent of a core
	memory       float64 // weir: bytes of heap and stack for each viewer, else 0
	goroutines   float64 // weir: how many more there are than before the viewers came
	rate         float64 // kbit/s that each viewer should get
}

// held says that every viewer had the whole stream: nobody was turned away or cut off, no gap was over 500 ms, nobody had less than 92 % of the rate.
func (s shot) held() bool {
	return s.Joined == s.N && s.Live == s.N && s.Stalled == 0 && s.Goodput.Min >= 0.92*s.rate
}

// instant is what is read of the clocks at one time.
type instant struct {
	at           time.Time
	server, ours time.Duration // processor time
	idle         time.Duration
	gauges       gauges
}

func (b *bench) instant(s *service, loader int) (instant, error) {
	i := instant{at: time.Now()}
	var err error
	if i.server, err = processTime(s.server.pid()); err != nil {
		return i, err
	}
	if i.idle, err = idleTime(); err != nil {
		return i, err
	}
	pids := append([]int{loader, os.Getpid()}, b.kernel...)
	for _, c := range append(s.others[:len(s.others):len(s.others)], s.source) {
		if c != nil {
			pids = append(pids, c.pid())
		}
	}
	for _, pid := range pids {
		if t, err := processTime(pid); err == nil { // fanload may just have ended
			i.ours += t
		}
	}
	return i, nil
}

// shoot runs viewers against a service.
func (b *bench) shoot(ctx context.Context, s *service, l load) (shot, error) {
	name, args := b.tools.fanload, l.arguments(s)
	if strings.HasPrefix(s.url, "https:") {
		name, args = b.tools.self, append([]string{"viewers-tls"}, args...)
	}
	cmd := pinned(b.cores.load, name, args...)
	setApart(cmd, false)
	opened, window, err := os.Pipe()
	if err != nil {
		return shot{}, err
	}
	defer opened.Close()
	cmd.ExtraFiles = []*os.File{window}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	before := s.before()
	err = cmd.Start()
	_ = window.Close()
	if err != nil {
		return shot{}, err
	}
	stop := context.AfterFunc(ctx, func() { signalGroup(cmd, 9) })
	defer stop()
	defer signalGroup(cmd, 9) // fanload's own command; the group is this program's to end
	_, _ = opened.Read(make([]byte, 1))
	from, err := b.opening(s, cmd.Process.Pid)
	if err != nil {
		return shot{}, fmt.Errorf("load at %s: %w: %s", s.url, err, errs.String())
	}
	to, err := b.finish(s, cmd, l)
	if ctx.Err() != nil {
		return shot{}, ctx.Err()
	}
	if err != nil {
		return shot{}, fmt.Errorf("load at %s: %w: %s", s.url, err, errs.String())
	}
	r, err := parseReport(out.Bytes())
	if err != nil {
		return shot{}, err
	}
	x := s.sum(r, from, to, before)
	x.rate = s.rate
	return x, nil
}

// opening reads weir's figures before the clocks, so that the asking is in nobody's window.
func (b *bench) opening(s *service, loader int) (instant, error) {
	var g gauges
	if s.metrics != "" {
		var err error
		if g, err = readGauges(s.metrics); err != nil {
			return instant{}, err
		}
	}
	i, err := b.instant(s, loader)
	i.gauges = g
	return i, err
}

// finish waits for fanload and reads the clocks just before the window ends, while it still runs.
func (b *bench) finish(s *service, cmd *exec.Cmd, l load) (instant, error) {
	timer := time.NewTimer(time.Duration(l.window*float64(time.Second)) - 50*time.Millisecond)
	defer timer.Stop()
	<-timer.C
	to, err := b.instant(s, cmd.Process.Pid)
	if err == nil && s.metrics != "" {
		to.gauges, err = readGauges(s.metrics)
	}
	if e := cmd.Wait(); err == nil {
		err = e
	}
	return to, err
}

func (s *service) sum(r report, from, to instant, before gauges) shot {
	took := to.at.Sub(from.at).Seconds()
	x := shot{report: r, cpuShare: (to.server - from.server).Seconds() / took}
	if r.MB > 0 {
		x.cpuPerGB = x.cpuShare / (r.MB / 1000 / r.Window)
	}
	busy := took*float64(runtime.NumCPU()) - (to.idle - from.idle).Seconds()
	x.foreign = math.Max(0, 100*(busy-(to.server-from.server+to.ours-from.ours).Seconds())/took)
	if sends := to.gauges["weir_deliver_sends_total"] - from.gauges["weir_deliver_sends_total"]; sends > 0 {
		x.bytesPerSend = (to.gauges["weir_deliver_bytes_total"] - from.gauges["weir_deliver_bytes_total"]) / sends
	}
	if before != nil && r.Joined > 0 {
		x.memory = (to.gauges.memory() - before.memory()) / float64(r.Joined)
		x.goroutines = to.gauges["go_goroutines"] - before["go_goroutines"]
	}
	return x
}

// memory is weir's heap and stack in use, in bytes.
func (g gauges) memory() float64 {
	return g["go_memstats_heap_inuse_bytes"] + g["go_memstats_stack_inuse_bytes"]
}

// before are weir's figures without viewers; nil for others.
func (s *service) before() gauges {
	if s.metrics == "" {
		return nil
	}
	g, _ := readGauges(s.metrics) // if it cannot be had, the load will say why
	return g
}

// foreignLimit is the share of a core, in percent, that others may take before a run is repeated, if nothing else is asked for; repeats is how often. The
// limit is the shared tools' own rule; twice is chosen.
const (
	foreignLimit = 15
	repeats      = 2
)

// steady shoots, again while others disturb, and gives the run that was disturbed the least. On a machine that is never quiet it stops repeating.
func (b *bench) steady(ctx context.Context, s *service, l load) (shot, error) {
	const enough = 4 // runs in a row; chosen
	again := repeats
	if b.short || l.once || b.disturbed >= enough {
		again = 0
	}
	var best shot
	for i := range 1 + again {
		x, err := b.shoot(ctx, s, l)
		if err != nil {
			return x, err
		}
		if i == 0 || x.foreign < best.foreign {
			best = x
		}
		if best.foreign <= b.foreign {
			b.disturbed = 0
			return best, nil
		}
		if i < again {
			b.say("  others took %.0f %% of a core: again", x.foreign)
		}
	}
	if again > 0 {
		if b.disturbed++; b.disturbed == enough {
			b.say("  this machine is never quiet: from now on nothing is repeated until others take less")
		}
	}
	return best, nil
}
