package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// tried is what the trial of a build has told.
type tried struct {
	hash string
	note string // what it could not tell
}

// tryStart starts an instance of a build and tells it OPEN with an empty configuration, if it takes one.
func tryStart(g plugin.Generation) (tried, error) {
	is := tried{hash: g.Hash()}
	instance, fault := g.New()
	if fault != nil {
		return tried{}, startError(fault)
	}
	defer instance.Close()
	if err := g.Manifest().CheckConfig(nil); err != nil {
		is.note = "it was started, but not told OPEN, since its configuration must not be empty; `weir plugin test` tells it that of your scripts"
		return is, nil
	}
	answer, fault, err := tellOpen(g, instance)
	var code *plugin.CodeError
	switch {
	case err != nil:
		return tried{}, err
	case errors.As(asError(fault), &code):
		is.note = "it refuses to start with an empty configuration: " + code.Error()
	case fault != nil:
		return tried{}, startError(fault)
	case answer != "":
		is.note = "it refuses to start with an empty configuration: " + answer
	}
	return is, nil
}

// asError keeps a fault that is none from becoming an error.
func asError(f *plugin.Fault) error {
	if f == nil {
		return nil
	}
	return f
}

func startError(f *plugin.Fault) error {
	return fmt.Errorf("start plugin: %+v", f) //nolint:errorlint // %+v shows the guest's stack, which %w would leave out
}

// tellOpen tells an instance OPEN as a server does. failed is what it answers if it does not want to start.
func tellOpen(g plugin.Generation, to plugin.Instance) (failed string, fault *plugin.Fault, err error) {
	var w abi.Writer
	w.Reset(make([]byte, abi.MinInbox))
	open := &abi.Open{Config: []byte("{}"), Outbox: abi.UsualBox, Version: []byte("weir plugin build")}
	open.UnixNano, open.MonoNano = time.Now().UnixNano(), int64(time.Second)
	if err = w.Put(0, 0, open); err != nil {
		return "", nil, err
	}
	out, fault := to.Call(g.Limits().Open, w.Bytes())
	if fault != nil || len(out) == 0 {
		return "", fault, nil
	}
	var r abi.Reader
	if err = r.Reset(out); err != nil {
		return "", nil, fmt.Errorf("start plugin: its answer to OPEN: %w", err)
	}
	for {
		raw, ok, err := r.Next()
		var fail abi.Fail
		switch {
		case err != nil:
			return "", nil, fmt.Errorf("start plugin: its answer to OPEN: %w", err)
		case !ok:
			return "", nil, nil
		case raw.Op == abi.OpFail && r.Decode(raw, &fail) == nil:
			return fmt.Sprintf("%v: %s", fail.Code, fail.Text), nil, nil
		}
	}
}
