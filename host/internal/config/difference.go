package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is a key whose value differs between two configurations, as their files and variables say it.
type Difference struct {
	Key      []string // "points", "live", "buffer"
	Old, New string   // values as text, lists as JSON; empty: the key is not there
}

// Name writes the key for a person.
func (d Difference) Name() string { return display(d.Key) }

// Differences gives all keys that are not the same in two configurations, sorted. Two ways to say the same are a difference here.
func Differences(old, now *Config) (all []Difference) {
	a, b := map[string]string{}, map[string]string{}
	flatten(old.origins.tree, nil, a)
	flatten(now.origins.tree, nil, b)
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if a[k] != b[k] {
			all = append(all, Difference{strings.Split(k, separator), a[k], b[k]})
		}
	}
	return all
}

// flatten writes the plain values below v by their joined keys.
func flatten(v any, key []string, to map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			flatten(child, below(key, name), to)
		}
	case []any:
		text, err := json.Marshal(v)
		if err != nil { // a number that JSON does not have
			text = fmt.Append(nil, v)
		}
		to[strings.Join(key, separator)] = string(text)
	case nil:
	default:
		to[strings.Join(key, separator)] = fmt.Sprint(v)
	}
}
