package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/plugin/record"
)

func newPluginRecord() *cobra.Command {
	var at remote
	var file string
	o := admin.Recording{For: admin.DefaultRecord}
	cmd := &cobra.Command{
		Use:   "record NAME",
		Short: "Write down what a plugin of the running server is told and what it answers",
		Long: "Record writes each call of a plugin to a file as it happens: the exact bytes that go in and out. `weir plugin replay` plays the file to any\n" +
			"build of the plugin. The plugin never waits for the file: if it cannot be written as fast, the recording ends and says so.\n" +
			"The file holds what peers sent, passwords included; only you may read it.",
		Example: "  weir plugin record wmsp --for 30s -o wmsp.weir\n  weir plugin replay wmsp.weir --module builtin:wmsp",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.For <= 0 {
				return usageError{errors.New("--for takes a time, as in 10s")}
			}
			if file == "" {
				file = args[0] + ".weir"
			}
			c, err := at.client()
			if err != nil {
				return err
			}
			return recordPlugin(cmd, c, args[0], o, file)
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", o.For, "how long")
	cmd.Flags().Int64Var(&o.Bytes, "bytes", 0, "how much, in bytes (default: what the server thinks right)")
	cmd.Flags().StringVarP(&file, "output", "o", "", "where the recording goes (default: NAME.weir in the current folder)")
	at.flag(cmd)
	return cmd
}

func recordPlugin(cmd *cobra.Command, c *admin.Client, name string, o admin.Recording, path string) error {
	to := &lateFile{path: path, begun: func() {
		if !wantsJSON(cmd) {
			fmt.Fprintf(cmd.ErrOrStderr(), "recording %s for %v\n", clean(name), o.For)
		}
	}}
	_, err := c.RecordPlugin(cmd.Context(), name, o, to)
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	told, err := summarize(path)
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), told)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s -> %s\nended: %s\n", told.text(), clean(path), clean(told.Ended))
	if told.Missed > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%s came behind its end\n", count(told.Missed, "call"))
	}
	return nil
}

// lateFile is made by the first byte, so that a refusal leaves no file. It holds what peers sent: nobody else may read it, whoever may read what lies
// at its path, or leads elsewhere from there. So it is a new file, which takes that place.
type lateFile struct {
	path  string
	begun func() // called once the file is made; may be nil
	file  *os.File
}

func (l *lateFile) Write(b []byte) (n int, err error) {
	if l.file == nil {
		if err = l.open(); err != nil {
			return 0, err
		}
		if l.begun != nil {
			l.begun()
		}
	}
	return l.file.Write(b)
}

func (l *lateFile) open() error {
	if found, err := os.Stat(l.path); err == nil && !found.Mode().IsRegular() { // a pipe, say: nothing is kept there
		l.file, err = os.OpenFile(l.path, os.O_WRONLY, 0)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(l.path), ".weir-*") // for its owner only
	if no, ok := errors.AsType[*os.PathError](err); ok {
		no.Path = l.path
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), l.path); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	l.file = f
	return nil
}

// Close closes the file, if there is one.
func (l *lateFile) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// contents is what a recording holds, in numbers.
type contents struct {
	Plugin    string    `json:"plugin"`
	Begin     time.Time `json:"begin"`
	Instances int       `json:"instances"`
	Calls     int       `json:"calls"`
	Faults    int       `json:"faults"`
	Missed    uint64    `json:"missed"` // calls behind its end
	Ended     string    `json:"ended"`
}

func (c *contents) text() string {
	return fmt.Sprintf("%s: %s, %s, %s", clean(c.Plugin), count(c.Instances, "instance"), count(c.Calls, "call"), count(c.Faults, "fault"))
}

// ends tells a person why a recording ended.
var ends = map[string]string{
	record.ByTime: "it lasted as long as it should", record.ByBytes: "it was as long as it may be (--bytes)",
	record.ByOverrun: "the file could not be written as fast as the plugin was called", record.ByStop: "it was stopped",
	record.ByFault: "it holds one fault alone",
}

func endOf(reason string, torn bool) string {
	switch text := ends[reason]; {
	case torn:
		return "it was cut off"
	case text != "":
		return text
	}
	return reason
}

// summarize reads a recording through.
func summarize(path string) (contents, error) {
	f, err := os.Open(path)
	if err != nil {
		return contents{}, err
	}
	defer f.Close()
	r, err := record.NewReader(f)
	if err != nil {
		return contents{}, err
	}
	c := contents{Plugin: r.Header().Plugin, Begin: r.Header().Begin}
	for reason := ""; ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			c.Ended = endOf(reason, r.Torn())
			return c, nil
		}
		if err != nil {
			return c, err
		}
		switch e.Kind {
		case record.Started:
			c.Instances++
		case record.Call:
			c.Calls++
		case record.Faulted:
			c.Faults++
			if len(e.In) > 0 {
				c.Calls++
			}
		case record.End:
			reason, c.Missed = e.Reason, e.Missed
		}
	}
}
