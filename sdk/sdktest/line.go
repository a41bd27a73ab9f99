package sdktest

import (
	"fmt"
	"io/fs"
	"strings"
)

// line is one logical line of a script.
type line struct {
	number int // of its first physical line, from 1
	kind   string
	text   string
}

// kinds of line in the order in which they are tried: "!!" before "!".
var kinds = []string{"open", "entropy", "session", ">", "|", "@", "!!", "!", "<"}

// split cuts a script into its lines. Only "|" keeps the blanks at its end.
func split(script string) ([]line, error) {
	var lines []line
	for i, text := range strings.Split(strings.ReplaceAll(script, "\r\n", "\n"), "\n") {
		switch {
		case strings.TrimSpace(text) == "" || text[0] == '#':
			continue
		case text[0] == ' ' || text[0] == '\t':
			if len(lines) == 0 {
				return nil, fmt.Errorf("line %d: nothing stands above to go on with", i+1)
			}
			lines[len(lines)-1].text += " " + strings.TrimSpace(text)
			continue
		}
		l := line{number: i + 1}
		for _, kind := range kinds {
			if rest, ok := strings.CutPrefix(text, kind); ok {
				l.kind, l.text = kind, strings.TrimPrefix(rest, " ")
				break
			}
		}
		if l.kind == "" {
			return nil, fmt.Errorf("line %d: begins with none of %s", i+1, strings.Join(kinds, " "))
		}
		if l.kind != "|" {
			l.text = strings.TrimSpace(l.text)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// token is one word of a line: key=value, key~=value, or a value alone.
type token struct {
	key      string
	contains bool
	value
}

// value is bytes or a group of tokens.
type value struct {
	bytes []byte
	bare  bool // an unquoted word
	group []token
}

func (v value) isGroup() bool { return v.group != nil }

// lexer cuts a line's text into tokens.
type lexer struct {
	s     string
	files fs.FS
}

func tokens(s string, files fs.FS) ([]token, error) {
	l := lexer{s: s, files: files}
	list, err := l.list()
	if err == nil && l.s != "" {
		err = fmt.Errorf("%q stands alone", l.s[:1])
	}
	return list, err
}

// list reads up to the end or a closing brace.
func (l *lexer) list() ([]token, error) {
	list := []token{}
	for {
		l.s = strings.TrimLeft(l.s, " \t")
		if l.s == "" || l.s[0] == '}' {
			return list, nil
		}
		t, err := l.token()
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
}

func (l *lexer) token() (t token, err error) {
	if strings.ContainsAny(l.s[:1], `"{@`) || strings.HasPrefix(l.s, "hex:") {
		t.value, err = l.value()
		return t, err
	}
	n := strings.IndexAny(l.s, " \t=~}")
	if n < 0 {
		n = len(l.s)
	}
	word, rest := l.s[:n], l.s[n:]
	switch {
	case strings.HasPrefix(rest, "~="):
		t.contains, rest = true, rest[2:]
	case strings.HasPrefix(rest, "="):
		rest = rest[1:]
	default:
		t.value, err = l.value()
		return t, err
	}
	if word == "" {
		return t, fmt.Errorf("no name before %q", rest)
	}
	t.key, l.s = word, rest
	t.value, err = l.value()
	return t, err
}
