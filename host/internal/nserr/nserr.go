// Package nserr is the table of the error numbers that Windows Media servers and players show, as far as they fit what can go wrong in weir.
//
// It owns the numbers, their names, and weir's own sentence and remedy for each. A number, or a name, comes in; an entry goes out. It never decides
// which error has happened. Numbers and names are those of nserror.h; the words are weir's.
package nserr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Code is an HRESULT. The zero value stands for no error, and its text is empty.
type Code uint32

// String writes 0xC00D158B; nothing for 0.
func (c Code) String() string {
	if c == 0 {
		return ""
	}
	return fmt.Sprintf("0x%08X", uint32(c))
}

// IsError tells errors from the few numbers that only tell something: the highest bit is the severity.
func (c Code) IsError() bool { return c>>31 == 1 }

// Entry is a code with its meaning for somebody who runs weir.
type Entry struct {
	Code    Code
	Name    string // NS_E_PORT_IN_USE_HTTP
	Meaning string // one sentence
	Remedy  string // what to do, one sentence
}

// All gives the whole table, sorted by code. The slice is the caller's.
func All() []Entry { return slices.Clone(table) }

// Lookup gives the entry of a code.
func Lookup(c Code) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(table, c, func(e Entry, c Code) int { return int(int64(e.Code) - int64(c)) })
	if !ok {
		return Entry{}, false
	}
	return table[i], true
}

// Find gives the entry that text names: 0xC00D158B, C00D158B, a decimal as event logs have it (3222082955, or -1072884341), or NS_E_PORT_IN_USE_HTTP,
// all in any case.
func Find(text string) (Entry, bool) {
	text = strings.TrimSpace(text)
	for _, e := range table {
		if strings.EqualFold(text, e.Name) {
			return e, true
		}
	}
	for _, c := range numbers(text) {
		if e, ok := Lookup(c); ok {
			return e, true
		}
	}
	return Entry{}, false
}

// numbers reads text as hexadecimal and as decimal, signed or not: which of them was meant, the table tells.
func numbers(text string) (all []Code) {
	digits := text
	if len(text) > 1 && strings.EqualFold(text[:2], "0x") {
		digits = text[2:]
	}
	if n, err := strconv.ParseUint(digits, 16, 32); err == nil {
		all = append(all, Code(n))
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= -1<<31 && n < 1<<32 {
		all = append(all, Code(uint32(n)))
	}
	return all
}
