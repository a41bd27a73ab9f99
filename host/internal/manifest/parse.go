package manifest

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxBytes bounds a manifest. Chosen: a hundred times a long one with its schema.
const maxBytes = 256 << 10

// Parse reads and judges a plugin.yaml. Its error is Problems, each with a line. The Manifest shares nothing with b.
func Parse(b []byte) (*Manifest, error) {
	root, problem := document(b)
	if problem != nil {
		return nil, Problems{*problem}
	}
	m := &Manifest{}
	r := &reader{lines: map[string]int{}}
	r.mapping(root, "", r.manifest(m))
	for i := range m.Documents {
		if d := &m.Documents[i]; len(d.Paths) == 0 && !d.Unserved && formatName.MatchString(d.Format) {
			d.Paths = []Path{MustPath("/" + pointMark + "." + d.Format)}
		}
	}
	if len(r.problems) == 0 {
		r.judge(m)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, r.problems
	}
	return m, nil
}

func document(b []byte) (*yaml.Node, *Problem) {
	if len(b) > maxBytes {
		return nil, &Problem{Text: fmt.Sprintf("has %d bytes; at most %d", len(b), maxBytes)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, &Problem{Text: strings.TrimPrefix(err.Error(), "yaml: ") + "; mend the YAML"}
	}
	if len(doc.Content) == 0 {
		return nil, &Problem{Text: "is empty; write at least name, version, abi and roles"}
	}
	if n := aliased(&doc); n != nil {
		return nil, &Problem{Line: n.Line, Text: "anchors and aliases are not read; write the value out"}
	}
	return doc.Content[0], nil
}

func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return n
	}
	for _, c := range n.Content {
		if found := aliased(c); found != nil {
			return found
		}
	}
	return nil
}

// judge runs Validate and gives its problems the lines of their keys, or of the nearest key above.
func (r *reader) judge(m *Manifest) {
	for _, p := range m.problems() {
		for key := p.Key; key != ""; {
			if line, ok := r.lines[key]; ok {
				p.Line = line
				break
			}
			key = key[:max(strings.LastIndexAny(key, ".["), 0)]
		}
		p.Line = max(p.Line, 1)
		r.problems = append(r.problems, p)
	}
}

func (r *reader) manifest(m *Manifest) fields {
	return fields{
		"name":         r.text(&m.Name),
		"version":      r.text(&m.Version),
		"abi":          r.text(&m.ABI),
		"summary":      r.text(&m.Summary),
		"roles":        texts(r, &m.Roles),
		"capabilities": texts(r, &m.Capabilities),
		"consumes":     texts(r, &m.Consumes),
		"produces":     texts(r, &m.Produces),
		"sources":      texts(r, &m.Sources),
		"packages":     list(r, &m.Packages, r.pack),
		"documents":    list(r, &m.Documents, r.doc),
		"plays":        list(r, &m.Plays, r.play),
		"features": r.section(fields{
			"required": texts(r, &m.Features.Required),
			"optional": texts(r, &m.Features.Optional),
		}),
		"listens": r.section(fields{
			"http": list(r, &m.Listens.HTTP, r.http),
			"raw":  list(r, &m.Listens.Raw, r.raw),
			"udp":  list(r, &m.Listens.UDP, r.raw),
			"rtsp": parsed(r, &m.Listens.RTSP, parseBool),
		}),
		"state": r.section(fields{
			"schema":  r.text(&m.State.Schema),
			"accepts": texts(r, &m.State.Accepts),
		}),
		"limits": r.section(fields{
			"memory":  parsed(r, &m.Limits.Memory, ParseSize),
			"event":   r.duration(&m.Limits.Event),
			"packets": r.duration(&m.Limits.Packets),
		}),
		"refusal": r.section(fields{
			"status":      r.number(&m.Refusal.Status),
			"retry_after": r.duration(&m.Refusal.RetryAfter),
			"type":        r.text(&m.Refusal.Type),
			"body":        r.text(&m.Refusal.Body),
			"server":      r.text(&m.Refusal.Server),
		}),
		"config": r.schema(&m.Config),
	}
}

func (r *reader) section(known fields) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) { r.mapping(n, key, known) }
}

func (r *reader) http(h *HTTPRoute) fields {
	return fields{
		"name":    r.text(&h.Name),
		"methods": texts(r, &h.Methods),
		"path":    parsed(r, &h.Path, ParsePath),
		"agents":  texts(r, &h.Agents),
		"types":   texts(r, &h.Types),
	}
}

func (r *reader) raw(p *RawPattern) fields {
	return fields{
		"name":   r.text(&p.Name),
		"offset": r.number(&p.Offset),
		"hex":    parsed(r, &p.Bytes, parseHex),
		"mask":   parsed(r, &p.Mask, parseHex),
	}
}

func (r *reader) pack(p *Package) fields {
	return fields{
		"from":    r.text(&p.From),
		"to":      r.text(&p.To),
		"payload": parsed(r, &p.Payload, parsePayload),
	}
}

func (r *reader) doc(d *Document) fields {
	return fields{
		"format": r.text(&d.Format),
		"type":   r.text(&d.Type),
		"served": parsed(r, &d.Unserved, parseNot),
		"paths": func(n *yaml.Node, key string) {
			r.each(n, key, func(n *yaml.Node, key string) {
				var p Path
				parsed(r, &p, ParsePath)(n, key)
				d.Paths = append(d.Paths, p)
			})
		},
	}
}

func (r *reader) play(p *Play) fields {
	return fields{
		"scheme":    r.text(&p.Scheme),
		"rank":      r.number(&p.Rank),
		"rendition": r.text(&p.Rendition),
		"suffix":    r.text(&p.Suffix),
	}
}

func (r *reader) schema(to *Schema) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		var v any
		err := n.Decode(&v)
		if err == nil {
			*to, err = compileSchema(v)
		}
		if err != nil {
			r.fail(n, key, "not a usable JSON Schema: %v", err)
		}
	}
}

func parseBool(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, fmt.Errorf("%q; write true or false", s)
	}
	return s == "true", nil
}

func parseNot(s string) (bool, error) {
	b, err := parseBool(s)
	return !b, err
}

func parseHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("%q is not hexadecimal; write pairs of digits in quotes, as in \"ce fa 0b b0\"", s)
	}
	return b, nil
}

func parsePayload(s string) (Payload, error) {
	switch s {
	case "none":
		return 0, nil
	case "all":
		return PayloadAll, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxPayloadBytes {
		return 0, fmt.Errorf("payload %q; write none, all or a number of bytes up to %d", s, maxPayloadBytes)
	}
	return Payload(n), nil
}

// maxPayloadBytes is the least inbox of a guest (abi: Wasm carrier, "inbox ≥ 192 KiB").
const maxPayloadBytes = 192 << 10
