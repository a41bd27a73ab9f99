package config

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const variablePrefix = "WEIR_"

// reserved variables are not keys of the configuration.
var reserved = []string{"WEIR_TOKEN", "WEIR_SOAK"}

// variables finds which key each WEIR_ variable means and gives the values by joined key.
func (l *loader) variables(tree map[string]any, environ []string) map[string]any {
	values := map[string]any{}
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(strings.ToUpper(name), variablePrefix)
		if !ok || slices.Contains(reserved, strings.ToUpper(name)) {
			continue
		}
		fail := func(text string) {
			l.problems = append(l.problems, Problem{File: l.file, Variable: name, Text: text})
		}
		found := root.find(tree, rest, nil)
		switch {
		case len(found) == 0:
			fail("fits no key of " + l.file + "; the form is WEIR_LISTENERS__WEB__ADDRESS, and the listener, plugin or point must stand in the file")
			continue
		case len(found) > 1:
			fail("fits both " + display(found[0].key) + " and " + display(found[1].key) + "; change the file instead")
			continue
		}
		joined := strings.Join(found[0].key, separator)
		if other, twice := l.origins.variables[joined]; twice {
			fail("sets " + display(found[0].key) + " like " + other + "; unset one of them")
			continue
		}
		l.origins.variables[joined] = name
		values[joined] = found[0].read(value)
	}
	return values
}

// target is a key that a variable may mean.
type target struct {
	key   []string
	shape *shape
	now   any // what the file says
}

// find looks for the keys that rest, such as LISTENERS__WEB__ADDRESS, may mean. Known keys need not stand in the file; names must.
func (s *shape) find(tree any, rest string, key []string) (found []target) {
	mapping, _ := tree.(map[string]any)
	child := func(name string, s *shape) {
		word := variableWord(name)
		next, deeper := strings.CutPrefix(rest, word+"__")
		switch {
		case word == "":
		case rest == word && s.kind != fixed && s.kind != byName && s.kind != entries:
			found = append(found, target{below(key, name), s, mapping[name]})
		case deeper:
			found = append(found, s.find(mapping[name], next, below(key, name))...)
		}
	}
	switch s.kind {
	case fixed, either, entries:
		if _, isList := tree.([]any); isList {
			return nil // which of them is not said
		}
		for _, name := range slices.Sorted(maps.Keys(s.keys)) {
			child(name, s.keys[name])
		}
	case byName:
		for _, name := range slices.Sorted(maps.Keys(mapping)) {
			child(name, s.each)
		}
	case free:
		for _, name := range slices.Sorted(maps.Keys(mapping)) {
			child(name, s)
		}
	}
	return found
}

// variableWord writes a key as variables spell it: upper case, '_' for whatever a variable's name cannot hold.
func variableWord(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return '_'
	}, name)
}

// read takes the variable's text as the key wants it. Text stays text; only lists and a plugin's own values that are not text are read as YAML.
func (t target) read(value string) any {
	_, isText := t.now.(string)
	if t.shape.kind == list || t.shape.kind == free && !isText {
		l := &loader{origins: origins{lines: map[string]int{}, variables: map[string]string{}}}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(value), &doc); err == nil && len(doc.Content) > 0 {
			if v := l.value(doc.Content[0], nil); len(l.problems) == 0 {
				return v
			}
		}
	}
	return value
}
