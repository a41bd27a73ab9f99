package record

import (
	"fmt"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// Scene is what stood around a fault.
type Scene struct {
	Build  Build
	Host   string    // weir's version, as OPEN said it
	At     time.Time // of the fault
	Config []byte    // the plugin's own section of plugins.yaml as JSON, as OPEN said it
}

// OfFault is a recording of a fault alone: a fresh instance is given OPEN, then the frame that it failed at.
func OfFault(f *plugin.Fault, s Scene) ([]byte, error) {
	var p pen
	p.header(Header{Major: abi.Major, Minor: abi.Minor, Plugin: f.Plugin, Begin: s.At, Host: s.Host})
	s.Build.Generation = max(s.Build.Generation, f.Generation)
	const number = 1
	p.entry(&Entry{Kind: Started, Instance: number, Build: s.Build})
	if len(f.Frame) > 0 && !opens(f.Frame) {
		open, err := s.open()
		if err != nil {
			return nil, err
		}
		p.entry(&Entry{Kind: Call, Instance: number, In: open})
	}
	p.entry(&Entry{Kind: Faulted, Instance: number, In: f.Frame, Sin: SinOf(f)})
	p.entry(&Entry{Kind: End, Reason: ByFault})
	return p.b, nil
}

// open is the frame that the host gave the instance first.
func (s *Scene) open() ([]byte, error) {
	e := &abi.Open{Config: s.Config, Outbox: abi.UsualBox, Version: []byte(s.Host)}
	e.UnixNano, e.MonoNano = s.At.UnixNano(), int64(time.Second) // chosen: a plugin that reads the clock in OPEN must not see 0
	var w abi.Writer
	w.Reset(make([]byte, abi.MinInbox))
	if err := w.Put(0, 0, e); err != nil {
		return nil, fmt.Errorf("record fault: the configuration of %d bytes does not fit into OPEN: %w", len(s.Config), err)
	}
	return w.Bytes(), nil
}

// opens tells whether a frame brings OPEN.
func opens(frame []byte) bool {
	var r abi.Reader
	if r.Reset(frame) != nil {
		return false
	}
	raw, ok, err := r.Next()
	return ok && err == nil && raw.Op == abi.OpOpen
}
