package steer

// The objects are committed: only a change of the program needs clang, and nothing else than clang.
//go:generate go tool bpf2go -go-package steer -output-stem sk_lookup -tags linux -target bpfel,bpfeb -type rule_key -type rule -type counters skLookup bpf/sk_lookup.c -- -O2 -g -Wall -Werror -nostdinc
