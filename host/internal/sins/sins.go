// Package sins reads what the testplugins are expected to come to.
//
// Each folder of testplugins with an expect.yaml holds a plugin that commits one sin; the file says which fault ends it, within what time and how its
// client is answered. It owns the meaning of that file. A folder comes in; Expectations, and their plugins' lines for plugins.yaml, go out. It never
// builds, loads or runs a plugin: the tests do, those of package host beside a small broadcast and those of host/e2e/load beside a large one.
package sins

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// What carries a plugin (plugin.Generation, Carrier).
const (
	Wasm = "wasm"
	Proc = "proc"
)

// Expectation is a testplugin's expect.yaml: what its sin comes to. The plugin takes GET /NAME, and sins when the query says so.
type Expectation struct {
	Carriers []string      `yaml:"carriers"` // that it is built for; none: wasm
	Queries  []string      `yaml:"queries"`  // each asks for the sin in its own way; none: "sin"
	Crowd    int           `yaml:"crowd"`    // innocent requests beside each guilty one; 0: ten
	Kinds    []string      `yaml:"kinds"`    // of fault, one of them; empty: none
	Blames   string        `yaml:"blames"`   // "session" (empty says so too): the fault is the guilty session's; "nobody": no session pays for it
	Load     string        `yaml:"load"`     // why it cannot be loaded; it is never asked then
	Within   time.Duration `yaml:"within"`   // until the guilty request is answered
	During   string        `yaml:"during"`   // the event
	Status   int           `yaml:"status"`   // that the guilty request is answered with
	Body     string        `yaml:"body"`     // in the guilty request's answer
	Refused  uint64        `yaml:"refused"`  // batches, by each query
	Event    time.Duration `yaml:"event"`    // limit that the operator grants; 0: the plugin's own
	Words    `yaml:",inline"`
	LogLines struct {
		Of     string `yaml:"of"`
		AtMost int    `yaml:"at_most"`
	} `yaml:"log_lines"`
}

// Words are what the operator reads of a fault.
type Words struct {
	Text string `yaml:"text"` // in its line
	Log  string `yaml:"log"`  // in its log
	Says string `yaml:"says"` // in one of the two, as the carrier may have it
}

// NoSession is Blames of a fault for which no session is closed.
const NoSession = "nobody"

// crowd is Expectation.Crowd by default. Chosen: enough that a guilty event shares its frame with others.
const crowd = 10

// Read gives the expectation of each folder below folder that has an expect.yaml, by the plugin's name.
func Read(folder string) (map[string]Expectation, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*", "expect.yaml"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("read expectations: no expect.yaml below %s", folder)
	}
	all := map[string]Expectation{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		e, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all[filepath.Base(filepath.Dir(path))] = e
	}
	return all, nil
}

func parse(text []byte) (e Expectation, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&e); err != nil {
		return e, err
	}
	if len(e.Carriers) == 0 {
		e.Carriers = []string{Wasm}
	}
	if len(e.Queries) == 0 {
		e.Queries = []string{"sin"}
	}
	if e.Crowd == 0 {
		e.Crowd = crowd
	}
	switch {
	case slices.ContainsFunc(e.Carriers, func(c string) bool { return c != Wasm && c != Proc }):
		return e, fmt.Errorf("carriers %v; write wasm, proc or both", e.Carriers)
	case e.Blames != "" && e.Blames != "session" && e.Blames != NoSession:
		return e, fmt.Errorf("blames %q; write session or nobody", e.Blames)
	case e.Load == "" && e.Within <= 0:
		return e, errors.New("within is missing; write how long the guilty request may take, as in 2s")
	case e.Status == 0:
		return e, errors.New("status is missing; write what the guilty request is answered with")
	}
	return e, nil
}

// Is reports whether the plugin is built for a carrier.
func (e Expectation) Is(carrier string) bool { return slices.Contains(e.Carriers, carrier) }

// Line is the plugin's entry in plugins.yaml, heard on a listener. source is its module or its executable: `module: "builtin:spin"`.
func (e Expectation) Line(name, source, listener string) string {
	limits := ""
	if e.Event > 0 {
		limits = fmt.Sprintf(", limits: {event: %v}", e.Event)
	}
	return fmt.Sprintf("  %s: {%s, listeners: [%s], grant: {attach: [\"*\"]}%s}\n", name, source, listener, limits)
}
