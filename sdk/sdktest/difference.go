package sdktest

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// Difference tells in words where a record is not what it was: its first field that
// differs, in the order of the specification, with both values as Show writes them. It
// is empty for equal records. An event's time and entropy are compared as well.
func Difference(was, is abi.Record) string {
	if was.Op() != is.Op() {
		return fmt.Sprintf("%s; it was %s", is.Op(), was.Op())
	}
	return differ(reflect.ValueOf(was).Elem(), reflect.ValueOf(is).Elem(), "")
}

func differ(was, is reflect.Value, path string) string {
	if l, ok := listOf(was); ok {
		other, _ := listOf(is)
		return differItems(l.all(), other.all(), path)
	}
	switch was.Kind() {
	case reflect.Struct:
		for i := range was.NumField() {
			name := strings.ToLower(was.Type().Field(i).Name)
			if path != "" {
				name = path + "." + name
			}
			if d := differ(was.Field(i), is.Field(i), name); d != "" {
				return d
			}
		}
		return ""
	case reflect.Slice:
		return differBytes(was.Bytes(), is.Bytes(), path)
	}
	if was.Interface() == is.Interface() {
		return ""
	}
	return fmt.Sprintf("%s is %s; it was %s", path, showValue(is), showValue(was))
}

func differItems(was, is []reflect.Value, path string) string {
	for i := range min(len(was), len(is)) {
		if d := differ(was[i], is[i], fmt.Sprintf("%s[%d]", path, i)); d != "" {
			return d
		}
	}
	switch {
	case len(is) > len(was):
		return fmt.Sprintf("%s has %s besides", path, showItem(is[len(was)]))
	case len(is) < len(was):
		return fmt.Sprintf("%s lacks %s", path, showItem(was[len(is)]))
	}
	return ""
}

// differBytes shows both from a little before the first byte that differs.
func differBytes(was, is []byte, path string) string {
	if bytes.Equal(was, is) {
		return ""
	}
	at := 0
	for at < min(len(was), len(is)) && was[at] == is[at] {
		at++
	}
	const before = 16 // bytes of context; chosen
	if max(len(was), len(is)) <= maxShown {
		return fmt.Sprintf("%s is %s; it was %s", path, showBytes(is, true), showBytes(was, true))
	}
	from := max(at-before, 0)
	return fmt.Sprintf("%s has %d bytes and differs at byte %d: %s; it had %d: %s",
		path, len(is), at, showBytes(is[from:], true), len(was), showBytes(was[from:], true))
}
