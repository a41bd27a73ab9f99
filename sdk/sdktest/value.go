package sdktest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

var errNoFiles = errors.New("the script has no folder; give it a path (CheckFile)")

// value reads what stands behind "=", or alone.
func (l *lexer) value() (v value, err error) {
	switch {
	case l.s == "":
		return value{bare: true}, nil
	case l.s[0] == '"':
		quoted, bad := strconv.QuotedPrefix(l.s)
		if bad != nil {
			return v, fmt.Errorf("bad quotes at %.20q", l.s)
		}
		l.s = l.s[len(quoted):]
		s, bad := strconv.Unquote(quoted)
		return value{bytes: []byte(s)}, bad
	case l.s[0] == '{':
		l.s = l.s[1:]
		v.group, err = l.list()
		if err == nil && !strings.HasPrefix(l.s, "}") {
			err = errors.New("a brace is not closed")
		}
		l.s = strings.TrimPrefix(l.s, "}")
		return v, err
	}
	n := strings.IndexAny(l.s, " \t}")
	if n < 0 {
		n = len(l.s)
	}
	word := l.s[:n]
	l.s = l.s[n:]
	if digits, ok := strings.CutPrefix(word, "hex:"); ok {
		v.bytes, err = hex.DecodeString(strings.ReplaceAll(digits, "_", ""))
		return v, err
	}
	if name, ok := strings.CutPrefix(word, "@"); ok {
		if l.files == nil {
			return v, errNoFiles
		}
		v.bytes, err = fs.ReadFile(l.files, name)
		return v, err
	}
	return value{bytes: []byte(word), bare: true}, nil
}

// at finds the field that a dotted path names, whatever its case.
func at(rec reflect.Value, path string) (reflect.Value, error) {
	v := rec
	for _, name := range strings.Split(path, ".") {
		if v.Kind() != reflect.Struct {
			return v, fmt.Errorf("%s: %s has no fields", path, v.Type())
		}
		t := v.Type()
		v = v.FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, name) })
		if !v.IsValid() || !v.CanSet() {
			return v, fmt.Errorf("%s has no field %q", t, name)
		}
	}
	return v, nil
}

// fill sets the fields of a struct, which must be addressable, from tokens.
func fill(rec reflect.Value, list []token) error {
	for _, t := range list {
		if t.key == "" || t.contains {
			return fmt.Errorf("%q is not FIELD=VALUE", t.bytes)
		}
		v, err := at(rec, t.key)
		if err != nil {
			return err
		}
		if err := set(v, t.value); err != nil {
			return fmt.Errorf("%s: %w", t.key, err)
		}
	}
	return nil
}

// set stores a value in a field; in a list it adds an item.
func set(v reflect.Value, val value) error {
	if l, ok := listOf(v); ok {
		item := reflect.New(l.item).Elem()
		if err := l.read(item, val); err != nil {
			return err
		}
		l.add(item)
		return nil
	}
	if val.isGroup() {
		return fmt.Errorf("%s takes no {…}", v.Type())
	}
	switch v.Kind() {
	case reflect.Slice:
		v.SetBytes(val.bytes)
	case reflect.Array: // entropy
		b, err := hex.DecodeString(string(val.bytes))
		if err != nil || len(b) != v.Len() {
			return fmt.Errorf("wants %d bytes in hexadecimal", v.Len())
		}
		reflect.Copy(v, reflect.ValueOf(b))
	default:
		return setNumber(v, string(val.bytes))
	}
	return nil
}

func setNumber(v reflect.Value, s string) error {
	if !v.CanInt() && !v.CanUint() {
		return fmt.Errorf("%s has fields of its own; name one of them", v.Type())
	}
	n, err := number(v.Type(), s)
	switch {
	case err != nil:
		return err
	case v.CanInt() && !v.OverflowInt(n):
		v.SetInt(n)
	case v.CanUint() && !v.OverflowUint(uint64(n)):
		v.SetUint(uint64(n))
	default:
		return fmt.Errorf("%s does not fit into %s", s, v.Type())
	}
	return nil
}

// number reads a number, a duration in ns, or names joined by "|".
func number(t reflect.Type, s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(s, 0, 64); err == nil {
		return int64(n), nil
	}
	if t.Kind() == reflect.Int64 {
		if d, err := time.ParseDuration(s); err == nil {
			return int64(d), nil
		}
	}
	var n int64
	for name := range strings.SplitSeq(s, "|") {
		k, ok := numberOf(t, name)
		if !ok {
			return 0, fmt.Errorf("%q is no %s", s, t)
		}
		n |= k
	}
	return n, nil
}

// matches tells whether a struct has at least the fields of the tokens.
func matches(rec reflect.Value, list []token) (bool, error) {
	for _, t := range list {
		if t.key == "" {
			return false, fmt.Errorf("%q is not FIELD=VALUE", t.bytes)
		}
		v, err := at(rec, t.key)
		if err != nil {
			return false, err
		}
		ok, err := equal(v, t)
		if err != nil {
			return false, fmt.Errorf("%s: %w", t.key, err)
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

func equal(v reflect.Value, t token) (bool, error) {
	if l, ok := listOf(v); ok {
		return l.has(t)
	}
	if v.Kind() == reflect.Slice {
		if t.contains {
			return strings.Contains(string(v.Bytes()), string(t.bytes)), nil
		}
		return string(v.Bytes()) == string(t.bytes), nil
	}
	if t.contains {
		return false, errors.New("~= is for bytes")
	}
	want := reflect.New(v.Type()).Elem()
	if err := set(want, t.value); err != nil {
		return false, err
	}
	return v.Interface() == want.Interface(), nil
}

// opNamed finds the op of a record's name.
func opNamed(name string) (abi.Op, bool) {
	for _, op := range abi.Ops() {
		if op.String() == name {
			return op, true
		}
	}
	return 0, false
}
