// Command bench measures weir beside the floor and beside other live servers, in one run on one machine, and prints ratios.
//
// It owns every process that it starts: servers on one core, sources and viewers on another, each in a process group of its own that ends with the row that
// needs it, or with this program. What comes in are flags (rows, rounds, peers) and the tools of ../shared/bench, or the copies under tools; what goes out are
// progress lines on stderr and a page of Markdown tables, written anew after each row. It never judges a time by itself: what counts are ratios between
// servers of one round. It never touches a server that it did not start, and uses loopback only.
//
//	make bench                        all rows that this machine can run, three rounds
//	make bench PEERS=1                likewise; installs the peers first (root, Debian)
//	make bench BENCH_ROWS='^cpu-ts'   some rows; -list prints their names
package main
