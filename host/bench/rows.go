package main

import (
	"context"
	"fmt"
)

// row is one thing that is measured.
type row struct {
	name, what string
	run        func(context.Context, *bench) error
}

// rows are all of them, in the order in which they run.
func rows() []row {
	return []row{
		{"cpu-ts", "processor time for transport streams by HTTP, 200 and 1,000 viewers of 1 and 4 Mbit/s", cpu(formTS)},
		{"cpu-mmsh", "the same for ASF as Windows Media players ask for it", cpu(formMMSH)},
		{"latency", "from the source to a viewer, 100 viewers of 1 Mbit/s", latency},
		{"join", "1,000 viewers at once, and those who watch already", join},
		{"tax", "plugins in their sandbox and compiled natively", tax},
		{"tls", "processor time with TLS", secure},
		{"udp", "processor time for 200 UDP destinations", datagrams},
		{"memory", "memory of the server's process for each viewer, 100 kbit/s", memory},
		{"p99", "from the source to one of 9,000 viewers of 1 Mbit/s", crowded},
		{"most", "most viewers of 1 Mbit/s that all have the whole stream", most},
	}
}

// peers are the other servers for viewers of plain streams.
var peers = []*contender{icecast, nginxRTMP, vlc, gst}

// try boots a contender, shows it to viewers once, and keeps what was seen.
func (b *bench) try(ctx context.Context, row, cell, who string, c *contender, j job, l load) (shot, error) {
	s, err := b.boot(ctx, c, j)
	if err != nil {
		return shot{}, err
	}
	defer s.close()
	x, err := b.steady(ctx, s, l)
	if err != nil {
		return x, fmt.Errorf("%s: %w", who, err)
	}
	b.keep(row, cell, who, x)
	return x, nil
}

// keep adds a shot to the results and says what it was.
func (b *bench) keep(row, cell, who string, x shot) {
	b.results.add(row, cell, who, x)
	line := fmt.Sprintf("  %s, %s: %.3g s/GB, worst gap %.0f ms", cell, who, x.cpuPerGB, x.Gap.Max)
	if x.bytesPerSend > 0 {
		line += fmt.Sprintf(", %.0f bytes a send", x.bytesPerSend)
	}
	if x.Latency.Max > 0 {
		line += fmt.Sprintf(", latency %.1f/%.1f ms", x.Latency.P50, x.Latency.P99)
	}
	if x.foreign > b.foreign {
		line += fmt.Sprintf(", foreign %.0f %%", x.foreign)
	}
	b.say("%s%s", line, complaint(x))
}

// complaint says what kept a shot from being held.
func complaint(x shot) string {
	if x.held() {
		return ""
	}
	return fmt.Sprintf("; NOT HELD: %d of %d joined, %d at the end, %d stalled, least %.0f of %.0f kbit/s %s",
		x.Joined, x.N, x.Live, x.Stalled, x.Goodput.Min, x.rate, x.Err)
}

// pick gives the second value in short mode.
func pick[T any](b *bench, whole, short T) T {
	if b.short {
		return short
	}
	return whole
}
