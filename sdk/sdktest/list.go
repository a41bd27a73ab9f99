package sdktest

import (
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// anyList is one of the abi's lists with its item type erased.
type anyList struct {
	item reflect.Type
	add  func(reflect.Value)
	all  func() []reflect.Value
}

func listOf(v reflect.Value) (anyList, bool) {
	if !v.CanAddr() {
		return anyList{}, false
	}
	switch l := v.Addr().Interface().(type) {
	case *abi.Fields:
		return erase(func(f abi.Field) { l.Add(f.Name, f.Value) }, l.All), true
	case *abi.Pieces:
		return erase(l.Add, l.All), true
	case *abi.PacketNotes:
		return erase(l.Add, l.All), true
	case *abi.Renditions:
		return erase(l.Add, l.All), true
	case *abi.Endpoints:
		return erase(l.Add, l.All), true
	case *abi.DatagramNotes:
		return erase(l.Add, l.All), true
	}
	return anyList{}, false
}

func erase[T any](add func(T), all func() iter.Seq[T]) anyList {
	return anyList{
		item: reflect.TypeFor[T](),
		add:  func(v reflect.Value) { add(v.Interface().(T)) },
		all: func() []reflect.Value {
			var items []reflect.Value
			for item := range all() {
				v := reflect.New(reflect.TypeFor[T]()).Elem()
				v.Set(reflect.ValueOf(item))
				items = append(items, v)
			}
			return items
		},
	}
}

// read sets an item from {…}, or from the short forms of header fields and literals.
func (l anyList) read(item reflect.Value, val value) error {
	if val.isGroup() {
		return fill(item, val.group)
	}
	switch i := item.Addr().Interface().(type) {
	case *abi.Field:
		name, text, ok := strings.Cut(string(val.bytes), ":")
		if !ok {
			return fmt.Errorf("%q is not \"Name: value\"", val.bytes)
		}
		i.Name, i.Value = []byte(name), []byte(strings.TrimSpace(text))
		return nil
	case *abi.Piece:
		i.Bytes = val.bytes
		return nil
	}
	return fmt.Errorf("an item of %s is written {…}", l.item)
}

// has tells whether an item fits the token.
func (l anyList) has(t token) (bool, error) {
	want := reflect.New(l.item).Elem()
	if !t.isGroup() {
		if err := l.read(want, t.value); err != nil {
			return false, err
		}
	}
	for _, item := range l.all() {
		if t.isGroup() {
			if ok, err := matches(item, t.group); ok || err != nil {
				return ok, err
			}
		} else if show(item) == show(want) {
			return true, nil
		}
	}
	return false, nil
}
