package main

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// load says which viewers come, and for how long they are watched.
type load struct {
	viewers  int
	perSec   int     // joins per second, 0: all at once
	settle   float64 // seconds between the last join and the window
	window   float64 // seconds
	probes   int     // viewers that read for real and look for markers
	instant  bool    // read as soon as there is something: for latency, at the price of the load's own processor time
	once     bool    // others may disturb: no times are looked at
	patience int     // seconds until viewers that got nothing are given up, 0: 30
}

// spread is a distribution over viewers or markers.
type spread struct {
	Min float64 `json:"min"`
	P1  float64 `json:"p1"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// report is what fanload, and viewer for TLS, print.
type report struct {
	outcome
	volume
	FirstByte spread `json:"ttfb_ms"`
	Goodput   spread `json:"goodput_kbit"`
	Gap       spread `json:"maxgap_ms"` // the worst gap of each viewer
	Latency   spread `json:"latency_ms"`
	Err       string `json:"err"`
}

// outcome is what became of the viewers.
type outcome struct {
	N       int `json:"n"`
	Joined  int `json:"joined"`
	Failed  int `json:"connect_fail"`
	Bad     int `json:"bad_status"`
	NoBytes int `json:"no_data"`
	Closed  int `json:"closed_in_window"`
	Live    int `json:"live_at_end"`
	Stalled int `json:"viewers_stalled"`
}

// volume is what moved in the window.
type volume struct {
	Window  float64 `json:"window_s"`
	MB      float64 `json:"MB"`
	LoadCPU float64 `json:"load_cpu_pct"`
	RSS     float64 `json:"rss_per_viewer_kB"`
}

// arguments are fanload's for a service. Its command at the start of the window writes to descriptor 3, so that this program sees it open.
func (l load) arguments(s *service) []string {
	args := []string{"-n", strconv.Itoa(l.viewers), "-w", fmt.Sprint(l.settle), "-d", fmt.Sprint(l.window), "-c", "echo >&3", "-x", "0"}
	if l.perSec > 0 {
		args = append(args, "-r", strconv.Itoa(l.perSec))
	}
	if l.probes > 0 {
		args = append(args, "-k", strconv.Itoa(l.probes))
	}
	if l.instant {
		args = append(args, "-b", "0")
	}
	if l.patience > 0 {
		args = append(args, "-t", strconv.Itoa(l.patience))
	}
	if l.viewers > 5000 {
		args = append(args, "-B", "8") // one address has 28,000 ports, of which the last runs hold some
	}
	if s.server != nil {
		args = append(args, "-p", strconv.Itoa(s.server.pid()))
	}
	for _, h := range s.headers {
		args = append(args, "-H", h)
	}
	return append(args, s.url)
}

func parseReport(b []byte) (report, error) {
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("load: %w: %.200s", err, b)
	}
	return r, nil
}
