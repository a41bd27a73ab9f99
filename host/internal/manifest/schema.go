package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/weir-media/weir/host/internal/spelling"
)

// Schema judges a plugin's own configuration. The zero value accepts none at all. Safe for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	document []byte
}

// schemaURL names the schema inside the compiler only; nothing is ever fetched.
const schemaURL = "weir:config"

// JSON gives the schema's document, nil if there is none. The caller must not change it.
func (s Schema) JSON() []byte { return s.document }

type refuseLoader struct{}

func (refuseLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%q is outside the manifest; write the schema out under $defs", url)
}

// compileSchema takes a JSON Schema as YAML decoded it. References leave the manifest neither to files nor to the network.
func compileSchema(document any) (s Schema, err error) {
	// The schema is a stranger's and the compiler is not ours.
	defer recovered("compile schema", &err)
	text, value, err := jsonValue(document)
	if err != nil {
		return Schema{}, err
	}
	root, ok := value.(map[string]any)
	if !ok {
		return Schema{}, errors.New("a schema is a mapping such as {type: object, properties: {…}}")
	}
	if err = checkSchemaBounds(root); err != nil {
		return Schema{}, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(refuseLoader{})
	if err = c.AddResource(schemaURL, value); err != nil {
		return Schema{}, err
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return Schema{}, err
	}
	return Schema{compiled, text}, nil
}

// recovered turns a panic of the schema library into an error of the function that defers it.
func recovered(doing string, err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%s: %v", doing, v)
	}
}

func jsonValue(v any) (text []byte, value any, err error) {
	text, err = json.Marshal(v)
	if err != nil {
		return nil, nil, fmt.Errorf("not expressible in JSON: %w", err)
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	return text, value, err
}

// ConfigProblem is one thing wrong with a plugin's configuration. Path leads from its top to the offending key.
type ConfigProblem struct {
	Path []string
	Text string
}

// Error writes "config.key: what is wrong".
func (p *ConfigProblem) Error() string {
	return strings.Join(append([]string{"config"}, p.Path...), ".") + ": " + p.Text
}

// CheckConfig judges a configuration, as YAML or JSON decode it, by the plugin's schema; nil counts as an empty mapping.
// Its error joins a *ConfigProblem for each fault (errors.Join).
func (m *Manifest) CheckConfig(config any) (err error) {
	defer recovered("check config", &err)
	if config == nil {
		config = map[string]any{}
	}
	if m.Config.compiled == nil {
		if mapping, ok := config.(map[string]any); ok && len(mapping) == 0 {
			return nil
		}
		return errors.Join(&ConfigProblem{Text: fmt.Sprintf("plugin %q takes no configuration; remove it", m.Name)})
	}
	_, value, err := jsonValue(config)
	if err != nil {
		return errors.Join(&ConfigProblem{Text: err.Error()})
	}
	err = m.Config.compiled.Validate(value)
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return err
	}
	return errors.Join(m.Config.leaves(failed, nil)...)
}

// leaves collects the innermost causes: "anyOf failed" helps nobody, its branches do.
func (s *Schema) leaves(e *jsonschema.ValidationError, out []error) []error {
	if unknown, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
		known := s.keys(e.InstanceLocation)
		for _, key := range unknown.Properties {
			text := "unknown key; remove it or mend its spelling"
			if len(known) > 0 {
				text = "unknown key; " + spelling.Nearest(key, known)
			}
			path := append(append([]string{}, e.InstanceLocation...), key)
			out = append(out, &ConfigProblem{Path: path, Text: text})
		}
		return out
	}
	if len(e.Causes) == 0 {
		return append(out, &ConfigProblem{Path: e.InstanceLocation, Text: causeText(e)})
	}
	for _, cause := range e.Causes {
		out = s.leaves(cause, out)
	}
	return out
}

// keys names what the schema has at a place, as far as it says so without conditions.
func (s *Schema) keys(path []string) []string {
	at := s.compiled
	for _, key := range path {
		if at = at.Properties[key]; at == nil {
			return nil
		}
	}
	return slices.Collect(maps.Keys(at.Properties))
}

func causeText(e *jsonschema.ValidationError) string {
	if unit := e.BasicOutput(); unit.Error != nil {
		return unit.Error.String()
	}
	// Error() is a head line, then "- at '/path': text".
	lines := strings.Split(e.Error(), "\n")
	_, text, ok := strings.Cut(lines[len(lines)-1], "': ")
	if !ok {
		return lines[len(lines)-1]
	}
	return text
}
