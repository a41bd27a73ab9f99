package wasm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// wasiModule is the import module whose functions are accepted as stubs.
const wasiModule = "wasi_snapshot_preview1"

const markerPrefix = "weir_abi_"

// Tables cost the host eight bytes an element. The bounds are chosen: the largest Go guests at hand have some 10,000 functions and one table.
const (
	maxTables        = 16
	maxTableElements = 1 << 20
)

// maxListed is how many offending imports one error names.
const maxListed = 5

// required lists the exports of a plugin with their kind and signature (abi/v1/spec.md 2.1, 2.2).
var required = []Symbol{
	{Name: "memory", Kind: "memory"},
	{Name: abi.MarkerExport, Kind: "func", Type: "() -> i32"},
	{Name: abi.BufferExport, Kind: "func", Type: "(i32) -> i64"},
	{Name: abi.CallExport, Kind: "func", Type: "(i32) -> i32"},
}

// Judge says why the module may not be loaded as a plugin, naming the offender, or nil. No code of the module has run by then.
func (report *Report) Judge() error {
	for _, check := range []func() error{report.judgeExports, report.judgeImports, report.judgeSizes, report.judgeManifest} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (report *Report) export(name string) (Symbol, bool) {
	for _, s := range report.Exports {
		if s.Name == name {
			return s, true
		}
	}
	return Symbol{}, false
}

func (report *Report) judgeExports() error {
	if _, ok := report.export("_start"); ok {
		return errors.New("it exports _start, so it is a command and no plugin; build a reactor (Go: -buildmode=c-shared)")
	}
	if report.marked && report.ABI != abi.Major {
		return fmt.Errorf("it speaks ABI %d; this host speaks %d", report.ABI, abi.Major)
	}
	for _, want := range required {
		got, ok := report.export(want.Name)
		switch {
		case !ok:
			return fmt.Errorf("it does not export %s %s%s", want.Kind, want.Name, want.Type)
		case got.Kind != want.Kind || got.Type != want.Type:
			return fmt.Errorf("it exports %q; wanted is %q", got, want)
		}
	}
	if got, ok := report.export(abi.InitializeExport); ok && (got.Kind != "func" || got.Type != "()") {
		return fmt.Errorf("it exports %q; wanted is \"func %s()\"", got, abi.InitializeExport)
	}
	return nil
}

func (report *Report) judgeImports() error {
	var strangers []string
	for _, s := range report.Imports {
		want, ok := hostSignature(s.Module, s.Name)
		switch {
		case !ok || s.Kind != "func":
			strangers = append(strangers, s.Module+"."+s.Name)
		case s.Type != want:
			return fmt.Errorf("it imports %q; wanted is the signature %q", s, want)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	more := ""
	if n := len(strangers) - maxListed; n > 0 {
		strangers, more = strangers[:maxListed], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("it imports %s%s; a plugin may import %s.log and the functions of %s only", strings.Join(strangers, ", "), more, abi.HostModule, wasiModule)
}

func (report *Report) judgeSizes() error {
	if report.memories != 1 {
		return fmt.Errorf("it has %d memories; wanted is one", report.memories)
	}
	if len(report.tables) > maxTables {
		return fmt.Errorf("it has %d tables; at most %d", len(report.tables), maxTables)
	}
	var elements uint64
	for _, t := range report.tables {
		elements += uint64(t.min)
	}
	if elements > maxTableElements {
		return fmt.Errorf("its tables have %d elements; at most %d", elements, maxTableElements)
	}
	return nil
}

func (report *Report) judgeManifest() error {
	switch report.manifests {
	case 0:
		return fmt.Errorf("it has no section %s; build it with `weir plugin build`", abi.ManifestSection)
	case 1:
		return nil
	}
	return fmt.Errorf("it has %d sections %s; wanted is one", report.manifests, abi.ManifestSection)
}

// findMarker takes the version from the marker export; this host's own version wins over others.
func (report *Report) findMarker() {
	for _, s := range report.Exports {
		digits, ok := strings.CutPrefix(s.Name, markerPrefix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 0 || strconv.Itoa(n) != digits {
			continue
		}
		if report.ABI, report.marked = n, true; n == abi.Major {
			return
		}
	}
}
