package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

// Options are for tests; the zero value is what an operator gets.
type Options struct {
	AllowPortZero bool // port 0 lets the kernel choose one
}

// DefaultFile is the name under which problems of the built-in configuration are reported.
const DefaultFile = "built-in plugins.yaml"

// Load reads a configuration file and the WEIR_ variables of environ ("KEY=value", as os.Environ gives them). Its error is Problems.
func Load(path string, environ []string) (*Config, error) { return Options{}.Load(path, environ) }

// Default reads the text that runs when no file is given. Relative paths start in the working directory. Its error is Problems.
func Default(text []byte, environ []string) (*Config, error) {
	return Options{}.Parse(DefaultFile, ".", text, environ)
}

// Load is the function Load under options.
func (o Options) Load(path string, environ []string) (*Config, error) {
	text, err := read(path)
	if err != nil {
		return nil, Problems{{File: path, Text: err.Error()}}
	}
	return o.Parse(path, filepath.Dir(path), text, environ)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("there is no such file; name another with -c, or leave -c out for the built-in configuration")
	}
	if err != nil {
		return nil, fmt.Errorf("%w; make it readable for the user that runs weir", errors.Unwrap(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w; name a readable file", err)
	}
	return text, nil
}

// Parse judges the text of a configuration file. Problems name it file; its relative paths start at dir. Its error is Problems.
func (o Options) Parse(file, dir string, text []byte, environ []string) (*Config, error) {
	l := &loader{options: o, file: file, origins: origins{lines: map[string]int{}, variables: map[string]string{}}}
	tree := l.tree(text)
	if len(l.problems) == 0 {
		tree = l.override(tree, environ)
	}
	if len(l.problems) == 0 {
		root.check(tree, nil, l.fail)
	}
	if len(l.problems) > 0 {
		l.problems.sort()
		return nil, l.problems
	}
	sum := sha256.Sum256(text)
	l.origins.tree, l.origins.hash = tree, hex.EncodeToString(sum[:])
	c := &Config{File: file, Dir: dir, origins: l.origins}
	l.config(c, at{l, nil, tree})
	if len(l.problems) > 0 {
		l.problems.sort()
		return nil, l.problems
	}
	return c, nil
}

// loader is one run of Parse.
type loader struct {
	options  Options
	file     string
	origins  origins
	problems Problems
}

func (l *loader) fail(key []string, format string, args ...any) {
	l.problems = append(l.problems, l.origins.problem(l.file, key, fmt.Sprintf(format, args...)))
}

func (l *loader) failAt(line int, key []string, text string) {
	l.problems = append(l.problems, Problem{File: l.file, Line: line, Key: display(key), Text: text})
}

// tree reads the YAML by its nodes, since only they have lines.
func (l *loader) tree(text []byte) map[string]any {
	if len(text) > maxFileBytes {
		l.failAt(0, nil, fmt.Sprintf("has more than %d bytes; is it the right file?", maxFileBytes))
		return nil
	}
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		line, what := yamlError(err)
		l.failAt(line, nil, what+"; mend the YAML (indent with spaces, quote text that holds ': ' or begins with a sign)")
		return nil
	}
	if len(doc.Content) == 0 {
		l.failAt(0, nil, "is empty; write listeners, plugins and points, or run without -c for the built-in configuration")
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		l.failAt(second.Line, nil, "has a second document; a configuration is one, so remove '---' and join them")
		return nil
	}
	tree, ok := l.value(doc.Content[0], nil).(map[string]any)
	if !ok && len(l.problems) == 0 {
		l.failAt(doc.Content[0].Line, nil, "is not a mapping; write listeners: …, plugins: … and points: …")
	}
	return tree
}

// yamlError takes "yaml: line 3: what" apart.
func yamlError(err error) (line int, what string) {
	what = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(what, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				return n, text
			}
		}
	}
	return 0, what
}

func (l *loader) value(n *yaml.Node, key []string) any {
	switch {
	case len(key) > maxDepth:
		l.failAt(n.Line, key[:maxDepth], fmt.Sprintf("is more than %d levels deep; flatten it", maxDepth))
		return nil
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.failAt(n.Line, key, "anchors and aliases are not read; write the value out")
		return nil
	case n.Kind == yaml.MappingNode:
		return l.mapping(n, key)
	case n.Kind == yaml.SequenceNode:
		items := make([]any, len(n.Content))
		for i, c := range n.Content {
			child := below(key, strconv.Itoa(i))
			l.origins.lines[strings.Join(child, separator)] = c.Line
			items[i] = l.value(c, child)
		}
		return items
	}
	var v any
	if err := n.Decode(&v); err != nil {
		_, what := yamlError(err)
		l.failAt(n.Line, key, what+"; mend the value")
	}
	return v
}

func (l *loader) mapping(n *yaml.Node, key []string) map[string]any {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		child := below(key, k.Value)
		_, twice := m[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge":
			l.failAt(k.Line, key, "has a key that is no plain word; write it out")
		case strings.ContainsFunc(k.Value, unicode.IsControl):
			l.failAt(k.Line, child, "holds a control character; remove it")
		case twice:
			l.failAt(k.Line, child, "stands twice; keep one")
		default:
			l.origins.lines[strings.Join(child, separator)] = k.Line
			m[k.Value] = l.value(v, child)
		}
	}
	return m
}

// override lays the environment over the file.
func (l *loader) override(tree map[string]any, environ []string) map[string]any {
	variables := l.variables(tree, environ)
	k := koanf.New(separator)
	// An empty delimiter keeps the file's keys whole.
	err := errors.Join(
		k.Load(confmap.Provider(tree, ""), nil),
		k.Load(confmap.Provider(variables, separator), nil),
	)
	if err != nil {
		l.failAt(0, nil, fmt.Sprintf("cannot be joined with the environment: %v; unset the WEIR_ variables", err))
	}
	return k.Raw()
}
