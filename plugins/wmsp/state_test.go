package main

import (
	"reflect"
	"testing"
)

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := session{doing: playing, client: 7}
	for v, i := reflect.ValueOf(s), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	var got session
	if err := got.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
}
