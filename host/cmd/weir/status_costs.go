package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
)

// writeDelivery writes what each point's viewers get and cost, and below a point its parts if there are several.
func writeDelivery(w io.Writer, all []admin.Point) {
	t := newTable(w, "DELIVERED", "TO", "VIEWERS", "RATE", "A SEND", "BUSY", "LAG P50", "P99", "SENT", "SENDS", "WAITING")
	rows := 0
	for _, p := range all {
		if p.Delivery.Attached == 0 {
			continue
		}
		if rows == 0 {
			fmt.Fprintln(w)
		}
		rows++
		if len(p.Parts) == 1 {
			deliveryRow(t, p.Name, partName(p.Parts[0]), &p.Delivery)
			continue
		}
		deliveryRow(t, p.Name, "all", &p.Delivery)
		for _, x := range p.Parts {
			deliveryRow(t, "", partName(x), &x.Delivery)
		}
	}
	if rows == 0 {
		return
	}
	t.flush()
	for _, p := range all {
		writeNote(w, "point "+p.Name, counts("packets left out for viewers that stayed: ", p.Delivery.DroppedPackets))
		writeNote(w, "point "+p.Name, sizes("not delivered: ", p.Delivery.DroppedBytes))
		writeNote(w, "point "+p.Name, counts("viewers that left: ", p.Delivery.Left))
	}
}

func partName(x admin.Part) string {
	if x.Plugin == "" {
		return x.Rendition
	}
	return x.Rendition + " by " + x.Plugin
}

func deliveryRow(t *table, point, to string, d *admin.Delivery) {
	r := d.Recent
	if r == nil {
		r = &admin.Recent{}
	}
	lag := r.Lag
	if lag == nil {
		lag = d.Lag
	}
	aSend := r.BytesPerSend
	if aSend == 0 {
		aSend = d.BytesPerSend
	}
	p50, p99 := "", ""
	if lag != nil {
		p50, p99 = lagText(lag.P50Millis, lag), lagText(lag.P99Millis, lag)
	}
	t.row(point, to, fmt.Sprint(d.Viewers), bitRate(r.BitsPerSecond), size(uint64(aSend)), fmt.Sprintf("%.1f %%", r.BusyPercent), p50, p99,
		size(d.Bytes), fmt.Sprint(d.Sends), fmt.Sprint(d.Waiting))
}

// lagText writes a bound of the histogram's.
func lagText(millis float64, l *admin.Lag) string {
	if millis >= 0 {
		return "≤ " + length(millis)
	}
	last := 0.0
	for _, s := range l.Steps {
		last = max(last, s.UpToMillis)
	}
	return "> " + length(last)
}

func length(millis float64) string {
	return (time.Duration(millis * float64(time.Millisecond))).String()
}

// bitRate writes bits per second for a person, by thousands as networks are measured.
func bitRate(bits float64) string {
	for _, unit := range []string{"bit/s", "kbit/s", "Mbit/s"} {
		if bits < 1000 {
			return fmt.Sprintf("%.3g %s", bits, unit)
		}
		bits /= 1000
	}
	return fmt.Sprintf("%.3g Gbit/s", bits)
}

// sizes lists the bytes that are not zero, by name.
func sizes(title string, of map[string]uint64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if n := of[name]; n > 0 {
			parts = append(parts, clean(name)+" "+size(n))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return title + strings.Join(parts, ", ")
}

// aSend writes what a send has carried.
func aSend(d admin.Deliver) string {
	if d.Sends == 0 {
		return ""
	}
	return " of " + size(uint64(d.BytesPerSend))
}

// cpu writes what a plugin takes of the processors.
func cpu(p admin.Spending) string {
	if p.CPUOf == "" {
		return ""
	}
	return fmt.Sprintf("%.3gs %.1f %%", p.CPUSeconds, p.CPUPercent)
}
