package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/nserr"
)

func newError() *cobra.Command {
	return &cobra.Command{
		Use:   "error [CODE]",
		Short: "Explain an error number that weir or a Windows Media player shows",
		Long: "Error says what an error number means and what to do about it, without a server. CODE is a number, as in 0xC00D158B or -1072884341,\n" +
			"or a name, as in NS_E_PORT_IN_USE_HTTP. Without CODE it lists all numbers that it knows.",
		Example: "  weir error 0xC00D158B\n  weir error",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				if wantsJSON(cmd) {
					return printJSON(out, explained(nserr.All()...))
				}
				writeErrors(out, nserr.All())
				return nil
			}
			e, ok := nserr.Find(args[0])
			switch {
			case !ok:
				return fmt.Errorf("error %q: weir does not know it; `weir error` lists what it knows", args[0])
			case wantsJSON(cmd):
				return printJSON(out, explained(e)[0])
			}
			fmt.Fprintf(out, "%s %s\n", e.Code, e.Name)
			writeNote(out, "meaning", e.Meaning)
			writeNote(out, "to mend it", e.Remedy)
			return nil
		},
	}
}

// unsigned keeps a negative error number, as Windows shows them, from being read as a flag.
func unsigned(args []string) []string {
	if len(args) < 2 || args[0] != "error" {
		return args
	}
	if _, err := strconv.ParseInt(args[1], 10, 64); err != nil || args[1][0] != '-' {
		return args
	}
	return append(append([]string{"error"}, args[2:]...), "--", args[1])
}

// explanation is an entry of the table as --json prints it.
type explanation struct {
	Code    string `json:"code"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
}

func explained(all ...nserr.Entry) []explanation {
	list := make([]explanation, 0, len(all))
	for _, e := range all {
		list = append(list, explanation{Code: e.Code.String(), Name: e.Name, Meaning: e.Meaning, Remedy: e.Remedy})
	}
	return list
}

func writeErrors(w io.Writer, all []nserr.Entry) {
	t := newTable(w, "CODE", "NAME", "MEANING")
	for _, e := range all {
		t.row(e.Code.String(), e.Name, e.Meaning)
	}
	t.flush()
}
