package host

import (
	"context"
	"io"
	"sync"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/plugin/record"
)

// taps are where plugins can be recorded: one for each name, for as long as the server
// runs, whatever generation is behind it. The zero value has none yet; it is safe for
// concurrent use.
type taps struct{ byName sync.Map }

func (t *taps) of(name string) *record.Tap {
	tap, _ := t.byName.LoadOrStore(name, new(record.Tap))
	return tap.(*record.Tap)
}

// end ends all recordings, each in good order.
func (t *taps) end() {
	t.byName.Range(func(_, tap any) bool {
		tap.(*record.Tap).End()
		return true
	})
}

// RecordPlugin writes down what a plugin is told and what it answers, until the time or
// the bytes are used up, ctx ends or w fails.
func (s *Server) RecordPlugin(ctx context.Context, name string, o admin.Recording, w io.Writer) error {
	s.mu.Lock()
	_, err := s.find(name)
	s.mu.Unlock()
	if err != nil {
		return notFound(err)
	}
	r := record.NewRecorder(record.Options{Plugin: name, Host: s.options.Version, For: o.For, Bytes: o.Bytes})
	tap := s.vitals.taps.of(name)
	if err = tap.Start(r); err != nil {
		return err
	}
	defer tap.Stop(r)
	s.log.Info("plugin is recorded", "plugin", name, "for", o.For)
	n, err := r.Copy(ctx, w)
	s.log.Info("plugin was recorded", "plugin", name, "bytes", n, "whole", err == nil)
	return err
}
