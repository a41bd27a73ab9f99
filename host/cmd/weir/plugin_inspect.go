package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin/builtin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

const builtinPrefix = "builtin:"

func newPluginInspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE|builtin:NAME",
		Short: "Show what a plugin's module says of itself, without running it",
		Long: "Inspect shows a module's hash, ABI, memory, imports, exports, capabilities and manifest. No code of it runs.\n" +
			"It fails if a server would not load the module, and says why.\n" +
			"A program, for exec: in plugins.yaml, has to run to say what it is: with the limits of a plugin, as root as user " + triedAs + ".",
		Example: "  weir plugin inspect mine.wasm\n  weir plugin inspect builtin:wmsp",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			module, err := readModule(args[0])
			if err != nil {
				return err
			}
			look := inspect
			if isProgram(module) {
				look = func(name string, code []byte) (inspection, error) { return inspectProgram(cmd.Context(), name, code) }
			}
			found, err := look(args[0], module)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if wantsJSON(cmd) {
				err = printJSON(cmd.OutOrStdout(), found)
			} else {
				writeInspection(cmd.OutOrStdout(), found)
			}
			if err == nil && found.Refused != "" {
				return errShown
			}
			return err
		},
	}
}

func readModule(name string) ([]byte, error) {
	if n, ok := strings.CutPrefix(name, builtinPrefix); ok {
		return builtin.Module(n)
	}
	return os.ReadFile(name)
}

// inspection is what a module says of itself.
type inspection struct {
	File         string   `json:"file"`
	Name         string   `json:"name,omitempty"`
	Version      string   `json:"version,omitempty"`
	Summary      string   `json:"summary,omitempty"`
	Refused      string   `json:"refused,omitempty"` // why a server would not load it
	Bytes        int      `json:"bytes"`
	Hash         string   `json:"sha256"`
	Carrier      string   `json:"carrier"` // "wasm" or "proc"
	ABI          int      `json:"abi"`     // major version; 0: none
	MemoryBytes  uint64   `json:"memory_bytes"`
	Roles        []string `json:"roles"`
	Capabilities []string `json:"capabilities"`
	Imports      []string `json:"imports"`
	Exports      []string `json:"exports"`
	Manifest     string   `json:"manifest,omitempty"` // plugin.yaml
}

// inspect fails only for bytes that are no module.
func inspect(name string, module []byte) (inspection, error) {
	report, err := wasm.Inspect(module)
	if err != nil {
		return inspection{}, err
	}
	hash := sha256.Sum256(module)
	found := inspection{File: name, Bytes: report.Size, Hash: hex.EncodeToString(hash[:]), Carrier: "wasm", ABI: report.ABI, MemoryBytes: report.Memory.Min,
		Roles: []string{}, Capabilities: []string{}, Imports: symbols(report.Imports), Exports: symbols(report.Exports), Manifest: string(report.Manifest)}
	if err = report.Judge(); err != nil {
		found.Refused = err.Error()
	}
	if report.Manifest == nil {
		return found, nil
	}
	found.judge(report.Manifest)
	return found, nil
}

// judge reads the manifest.
func (found *inspection) judge(text []byte) {
	m, err := manifest.Parse(text)
	if err != nil {
		if found.Refused == "" {
			found.Refused = "manifest: " + err.Error()
		}
		return
	}
	found.Name, found.Version, found.Summary = m.Name, m.Version, m.Summary
	for _, r := range m.Roles {
		found.Roles = append(found.Roles, string(r))
	}
	for _, c := range m.Capabilities {
		found.Capabilities = append(found.Capabilities, string(c))
	}
}

func symbols(all []wasm.Symbol) []string {
	lines := make([]string, len(all))
	for i, s := range all {
		lines[i] = s.String()
	}
	return lines
}

func writeInspection(w io.Writer, i inspection) {
	writeLine := func(title, text string) { fmt.Fprintf(w, "%-13s %s\n", title, dash(clean(text))) }
	writeLine("file", i.File)
	writeLine("plugin", strings.TrimSpace(i.Name+" "+i.Version))
	writeLine("summary", i.Summary)
	writeLine("size", fmt.Sprintf("%s (%d bytes)", size(i.Bytes), i.Bytes))
	writeLine("sha256", i.Hash)
	if i.Carrier == "proc" {
		writeLine("carrier", "proc: a program of its own, which is no sandbox")
		writeLine("roles", strings.Join(i.Roles, ", "))
		writeLine("capabilities", strings.Join(i.Capabilities, ", "))
		writeList(w, "manifest", lines(i.Manifest))
		writeRefusal(w, i.Refused)
		return
	}
	abi := ""
	if i.ABI > 0 {
		abi = fmt.Sprint(i.ABI)
	}
	writeLine("abi", abi)
	writeLine("memory", size(i.MemoryBytes)+" at its start")
	writeLine("roles", strings.Join(i.Roles, ", "))
	writeLine("capabilities", strings.Join(i.Capabilities, ", "))
	writeList(w, "imports", i.Imports)
	writeList(w, "exports", i.Exports)
	writeList(w, "manifest", lines(i.Manifest))
	writeRefusal(w, i.Refused)
}

func writeRefusal(w io.Writer, why string) {
	if why != "" {
		fmt.Fprintf(w, "\nA server would not load it: %s\n", cleanLines(why))
	}
}

func writeList(w io.Writer, title string, all []string) {
	if len(all) == 0 {
		fmt.Fprintf(w, "%-13s -\n", title)
		return
	}
	fmt.Fprintln(w, title)
	for _, s := range all {
		fmt.Fprintf(w, "  %s\n", clean(s))
	}
}
