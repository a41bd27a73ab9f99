package config

import (
	"maps"
	"slices"
	"strconv"

	"github.com/weir-media/weir/host/internal/spelling"
)

// kind is what may stand under a key.
type kind uint8

const (
	scalar  kind = iota // one plain value
	list                // plain values
	fixed               // a mapping with known keys
	byName              // a mapping from names of the operator's choice
	free                // anything: a plugin's own configuration
	either              // one plain value, or a mapping with known keys
	entries             // a mapping with known keys, or a list of them
)

// shape is the table of keys: one place for what is known, what is near, and what a variable may override.
type shape struct {
	kind kind
	keys map[string]*shape // of fixed, either and entries
	each *shape            // of byName

	renamed map[string]string // keys that people write in the place of known ones
}

func leaf(k kind) *shape                 { return &shape{kind: k} }
func keys(of map[string]*shape) *shape   { return &shape{kind: fixed, keys: of} }
func names(each *shape) *shape           { return &shape{kind: byName, each: each} }
func (s *shape) known() (words []string) { return slices.Collect(maps.Keys(s.keys)) }

// leaves gives plain values of these names.
func leaves(names ...string) map[string]*shape {
	all := map[string]*shape{}
	for _, n := range names {
		all[n] = leaf(scalar)
	}
	return all
}

var root = keys(map[string]*shape{
	"admin":     keys(map[string]*shape{"socket": leaf(scalar), "address": leaf(scalar), "token_file": leaf(scalar)}),
	"metrics":   keys(map[string]*shape{"address": leaf(scalar)}),
	"state_dir": leaf(scalar),
	"cache_dir": leaf(scalar),
	"watch":     leaf(scalar),
	"limits":    keys(leaves("viewers", "bandwidth", "viewer_bandwidth", "joins")),
	"log":       keys(leaves("sessions", "rotate", "keep")),
	"webhooks":  {kind: entries, keys: map[string]*shape{"url": leaf(scalar), "secret_file": leaf(scalar), "events": leaf(list)}},
	"listeners": names(keys(map[string]*shape{
		"enabled": leaf(scalar), "protocol": leaf(scalar), "steer": leaf(scalar),
		"address": leaf(scalar), "addresses": leaf(list), "port": leaf(scalar), "ports": leaf(list),
		"tls":      keys(map[string]*shape{"cert": leaf(scalar), "key": leaf(scalar)}),
		"fallback": keys(map[string]*shape{"files": leaf(scalar), "listing": leaf(scalar), "upstream": leaf(scalar)}),
		"workers":  leaf(scalar), "groups": leaf(list), "interface": leaf(scalar),
		"flow": keys(map[string]*shape{"offset": leaf(scalar), "bytes": leaf(scalar)}),
	})),
	"access": keys(map[string]*shape{"users_file": leaf(scalar), "realm": leaf(scalar), "rules": {kind: entries, keys: map[string]*shape{
		"do": leaf(scalar), "points": leaf(list), "from": leaf(list), "not_from": leaf(list), "trusted": leaf(list), "users": leaf(list),
		"allow": leaf(scalar), "methods": leaf(list),
	}}}),
	"plugins": names(keys(map[string]*shape{
		"enabled": leaf(scalar), "module": leaf(scalar), "exec": leaf(scalar), "sha256": leaf(scalar), "listeners": leaf(list),
		"grant": keys(map[string]*shape{
			"attach": leaf(list), "publish": leaf(list), "dial": leaf(list), "read": leaf(list), "documents": leaf(scalar),
			"listen": leaf(list), "group": leaf(list),
		}),
		"limits": keys(leaves("memory", "event", "slow_event", "packets", "slow_packets", "open", "log_lines", "retained", "state", "timers",
			"pending_writes", "queued_events", "files", "processes")),
		"config": leaf(free),
		"user":   leaf(scalar), "instances": leaf(scalar), "drain": leaf(scalar),
	})),
	"points": names(keys(map[string]*shape{
		"source": {kind: either, keys: leaves("url", "start", "idle")},
		"buffer": leaf(scalar), "grace": leaf(scalar), "on_lag": leaf(scalar), "max_lag": leaf(scalar), "latency": leaf(scalar),
		"burst_rate": leaf(scalar),
		"enabled":    leaf(scalar),
		"limits":     pointLimitKeys(),
		"multicast":  {kind: entries, keys: destinationKeys()},
		"about":      aboutKeys(),
		"archive":    archiveKeys(),
	})),
	"templates": names(keys(templateKeys())),
})

// check reports keys that are unknown and values of the wrong kind. What passes can be read without another look at kinds.
func (s *shape) check(v any, key []string, fail func(key []string, format string, args ...any)) {
	if v == nil {
		return // "points:" with every point commented out
	}
	mapping, isMapping := v.(map[string]any)
	items, isList := v.([]any)
	switch {
	case s.kind == free && !isMapping:
		fail(key, "is not a mapping; write {key: value, …} as the plugin's manifest describes it")
	case s.kind == free:
	case s.kind == scalar && (isMapping || isList):
		fail(key, "is not one plain value; write one")
	case s.kind == list && !isList:
		fail(key, "is not a list; write [one, two]")
	case s.kind == list:
		for i, item := range items {
			leaf(scalar).check(item, below(key, strconv.Itoa(i)), fail)
		}
	case s.kind == entries && isList:
		for i, item := range items {
			keys(s.keys).check(item, below(key, strconv.Itoa(i)), fail)
		}
	case s.kind == entries && !isMapping:
		fail(key, "is neither a mapping nor a list of them; write {key: value, …}")
	case isList, s.kind == fixed && !isMapping, s.kind == byName && !isMapping:
		fail(key, "is not a mapping; write {key: value, …}")
	case s.kind == byName:
		for _, name := range slices.Sorted(maps.Keys(mapping)) {
			s.each.check(mapping[name], below(key, name), fail)
		}
	default:
		for _, name := range slices.Sorted(maps.Keys(mapping)) {
			child, ok := s.keys[name]
			if meant := s.renamed[name]; meant != "" {
				fail(below(key, name), "unknown key; it is called %s: write that in its place", meant)
				continue
			}
			if !ok {
				fail(below(key, name), "unknown key; %s", spelling.Nearest(name, s.known()))
				continue
			}
			child.check(mapping[name], below(key, name), fail)
		}
	}
}

// below gives a key with one more step; the longer key shares no memory with its siblings.
func below(key []string, step string) []string {
	return append(slices.Clip(key), step)
}
