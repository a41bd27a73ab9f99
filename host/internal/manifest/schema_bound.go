package manifest

import (
	"errors"
	"fmt"
	"strings"
)

// A schema is a stranger's, and judging by it takes as long as the schema is large once its references are written out: thirty definitions of two
// references each would be a thousand million steps. So the subset is small: JSON Schema 2020-12, references to '#/$defs/NAME' only, none in circles.
const (
	maxSchemaDepth = 64     // chosen
	maxSchemaNodes = 10_000 // chosen; with all references written out
	schemaDialect  = "https://json-schema.org/draft/2020-12/schema"
	defsPrefix     = "#/$defs/"
)

// elsewhere are the keywords by which a reference could mean another place than the one that weigh followed (JSON Schema Core 8.2).
var elsewhere = []string{"$id", "$anchor", "$dynamicRef", "$dynamicAnchor"}

// weigher counts the nodes of a schema document; not safe for concurrent use.
type weigher struct {
	defs    map[string]any
	nodes   map[string]int // of definitions already weighed; -1 while one is being weighed
	tooMuch error
}

// checkSchemaBounds tells why a schema is outside the subset, or nil.
func checkSchemaBounds(root map[string]any) error {
	defs, _ := root["$defs"].(map[string]any)
	w := &weigher{defs: defs, nodes: map[string]int{}}
	w.weigh(root, 0)
	return w.tooMuch
}

func (w *weigher) fail(err error) int {
	if w.tooMuch == nil {
		w.tooMuch = err
	}
	return 0
}

func (w *weigher) weigh(v any, depth int) (nodes int) {
	if w.tooMuch != nil {
		return 0
	}
	if depth > maxSchemaDepth {
		return w.fail(fmt.Errorf("more than %d levels deep; flatten it", maxSchemaDepth))
	}
	nodes = 1
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			nodes += w.weigh(item, depth+1)
		}
	case map[string]any:
		for _, item := range v {
			nodes += w.weigh(item, depth+1)
		}
		nodes += w.keywords(v, depth)
	}
	if nodes > maxSchemaNodes {
		return w.fail(fmt.Errorf("more than %d parts once its references are written out; simplify it", maxSchemaNodes))
	}
	return nodes
}

func (w *weigher) keywords(m map[string]any, depth int) (nodes int) {
	for _, word := range elsewhere {
		if _, ok := m[word].(string); ok {
			return w.fail(fmt.Errorf("%s is not read; refer with $ref: '%sNAME'", word, defsPrefix))
		}
	}
	if dialect, ok := m["$schema"].(string); ok && dialect != schemaDialect {
		return w.fail(fmt.Errorf("$schema is %q; write %q or leave it out", dialect, schemaDialect))
	}
	ref, ok := m["$ref"].(string)
	if !ok {
		return 0
	}
	name, ok := strings.CutPrefix(ref, defsPrefix)
	if _, known := w.defs[name]; !ok || !known || strings.ContainsAny(name, "/~%") {
		return w.fail(fmt.Errorf("$ref %q leads nowhere inside the manifest; refer to '%sNAME' and write NAME under $defs", ref, defsPrefix))
	}
	switch known, done := w.nodes[name]; {
	case !done:
		w.nodes[name] = -1
		nodes = w.weigh(w.defs[name], depth+1)
		w.nodes[name] = nodes
	case known < 0:
		return w.fail(errors.New("$ref '" + ref + "' goes in a circle; write the levels out"))
	default:
		nodes = known
	}
	return nodes
}
