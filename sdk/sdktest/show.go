package sdktest

import (
	"encoding/hex"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weir-media/weir/abi/v1"
)

// Show writes a record as a script would: its name and the fields that are not zero.
// An event's time and entropy are left out.
func Show(r abi.Record) string {
	text := show(reflect.ValueOf(r).Elem())
	if text == "" {
		return r.Op().String()
	}
	return r.Op().String() + " " + text
}

func show(v reflect.Value) string { return strings.Join(parts(v, ""), " ") }

func parts(v reflect.Value, prefix string) []string {
	var list []string
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+strings.ToLower(v.Type().Field(i).Name)
		switch x := f.Interface().(type) {
		case abi.Head:
			if x.Conn != 0 {
				list = append(list, "conn="+strconv.FormatUint(uint64(x.Conn), 10))
			}
			continue
		case abi.PointSummary:
			list = append(list, parts(f, name+".")...)
			continue
		}
		if l, ok := listOf(f); ok {
			for _, item := range l.all() {
				list = append(list, name+"="+showItem(item))
			}
			continue
		}
		if !f.IsZero() {
			list = append(list, name+"="+showValue(f))
		}
	}
	return list
}

func showItem(item reflect.Value) string {
	switch i := item.Interface().(type) {
	case abi.Field:
		return strconv.Quote(string(i.Name) + ": " + string(i.Value))
	case abi.Piece:
		if i.Kind == abi.PieceLiteral {
			return showBytes(i.Bytes, true)
		}
	}
	return "{" + show(item) + "}"
}

func showValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		return showBytes(v.Bytes(), false)
	case reflect.Array:
		return "…"
	}
	if s := nameOf(v); s != "" {
		return s
	}
	if v.CanInt() {
		return strconv.FormatInt(v.Int(), 10)
	}
	return strconv.FormatUint(v.Uint(), 10)
}

// maxShown bounds the bytes of one value in a message (chosen).
const maxShown = 200

func showBytes(b []byte, quote bool) string {
	more := ""
	if len(b) > maxShown {
		b, more = b[:maxShown], "…"
	}
	s := string(b)
	odd := func(r rune) bool { return !unicode.IsPrint(r) && r != '\r' && r != '\n' && r != '\t' }
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, odd):
		return "hex:" + hex.EncodeToString(b) + more
	case quote || s == "" || strings.ContainsAny(s, " \t\r\n\"{}"):
		return strconv.Quote(s) + more
	}
	return s + more
}
