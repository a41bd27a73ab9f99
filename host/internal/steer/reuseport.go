package steer

//go:generate go tool bpf2go -go-package steer -output-stem sk_reuseport -tags linux -target bpfel,bpfeb -type spread_counters skReuseport bpf/reuseport.c -- -O2 -g -Wall -Werror -nostdinc

// The rungs of the ladder by which a Spreader chooses among the sockets of a group, best first.
const (
	RungEBPF = "ebpf" // by flow, with generations
	RungCBPF = "cbpf" // by flow; needs no rights, and moves flows when the number of workers changes
	RungHash = "hash" // by the kernel's hash of addresses and ports
)

// maxWorkers is what one generation holds (WORKERS in bpf/reuseport.c).
const maxWorkers = 64

// maxIDBytes is how long a flow's id may be.
const maxIDBytes = 8

// SpreadStats are the counters of a Spreader, summed over its groups. Below the rung of eBPF they stay zero.
type SpreadStats struct {
	Opened uint64 // flows not seen before, or forgotten since
	Moved  uint64 // flows that left their worker, because it was retired; not those that were silent until its place was taken by another
	Missed uint64 // datagrams that found no worker and went by the kernel's hash
}
