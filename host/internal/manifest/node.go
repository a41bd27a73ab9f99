package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weir-media/weir/host/internal/spelling"
)

// reader walks a YAML tree by hand, so that each problem has its key and line. Not safe for concurrent use.
type reader struct {
	problems Problems
	lines    map[string]int // key → line
}

// fields says what each key of a mapping means.
type fields map[string]func(n *yaml.Node, key string)

func (r *reader) fail(n *yaml.Node, key, format string, args ...any) {
	r.problems = append(r.problems, Problem{n.Line, key, fmt.Sprintf(format, args...)})
}

func (r *reader) mapping(n *yaml.Node, key string, known fields) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, key, "is not a mapping; write {key: value, …}")
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		child := k.Value
		if key != "" {
			child = key + "." + k.Value
		}
		read, ok := known[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode || !ok:
			r.fail(k, child, "unknown key; %s", spelling.Nearest(k.Value, slices.Collect(maps.Keys(known))))
		case seen[k.Value]:
			r.fail(k, child, "stands twice; keep one")
		default:
			seen[k.Value] = true
			r.lines[child] = k.Line
			read(v, child)
		}
	}
}

// each calls read for every element of a sequence.
func (r *reader) each(n *yaml.Node, key string, read func(n *yaml.Node, key string)) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, key, "is not a list; write [one, two]")
		return
	}
	for i, item := range n.Content {
		child := key + "[" + strconv.Itoa(i) + "]"
		r.lines[child] = item.Line
		read(item, child)
	}
}

func (r *reader) scalar(n *yaml.Node, key string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		r.fail(n, key, "has no plain value; write one")
		return "", false
	}
	return n.Value, true
}

func (r *reader) text(to *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		if s, ok := r.scalar(n, key); ok {
			*to = s
		}
	}
}

func texts[T ~string](r *reader, to *[]T) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		r.each(n, key, func(n *yaml.Node, key string) {
			if s, ok := r.scalar(n, key); ok {
				*to = append(*to, T(s))
			}
		})
	}
}

func (r *reader) number(to *int) func(*yaml.Node, string) {
	return parsed(r, to, func(s string) (int, error) {
		v, err := strconv.Atoi(s)
		if err != nil {
			err = fmt.Errorf("%q is not a whole number; write one such as 10", s)
		}
		return v, err
	})
}

func (r *reader) duration(to *time.Duration) func(*yaml.Node, string) {
	return parsed(r, to, func(s string) (time.Duration, error) {
		v, err := time.ParseDuration(s)
		if err != nil {
			err = fmt.Errorf("%q is not a duration; write a number with its unit, as in 50ms or 2s", s)
		}
		return v, err
	})
}

func parsed[T any](r *reader, to *T, parse func(string) (T, error)) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		s, ok := r.scalar(n, key)
		if !ok {
			return
		}
		v, err := parse(s)
		if err != nil {
			r.fail(n, key, "%v", err)
			return
		}
		*to = v
	}
}

// list reads a sequence of mappings; known is asked for the keys of one element.
func list[T any](r *reader, to *[]T, known func(*T) fields) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		r.each(n, key, func(n *yaml.Node, key string) {
			var v T
			r.mapping(n, key, known(&v))
			*to = append(*to, v)
		})
	}
}
