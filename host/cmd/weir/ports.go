package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newPorts() *cobra.Command {
	var at remote
	var nft bool
	cmd := &cobra.Command{
		Use:     "ports",
		Short:   "Show what the running server has open, and what its plugins may reach",
		Example: "  weir ports\n  weir ports --nft | nft -f -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if nft && wantsJSON(cmd) {
				return usageError{errors.New("--nft and --json exclude each other")}
			}
			c, err := at.client()
			if err != nil {
				return err
			}
			all, err := c.Ports(cmd.Context())
			switch {
			case err != nil:
				return err
			case nft:
				writeRules(cmd.OutOrStdout(), all)
			case wantsJSON(cmd):
				return printJSON(cmd.OutOrStdout(), all)
			default:
				writePorts(cmd.OutOrStdout(), all)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&nft, "nft", false, "print nftables rules")
	at.flag(cmd)
	return cmd
}

func writePorts(w io.Writer, all []admin.Port) {
	t := newTable(w, "DIRECTION", "PROTOCOL", "ADDRESS", "PORT", "LISTENER", "PLUGIN", "PURPOSE")
	for _, p := range all {
		t.row(p.Direction, p.Protocol, p.Address, p.Port, p.Listener, p.Plugin, p.Purpose)
	}
	t.flush()
}

// writeRules writes chains to which an operator's own chains jump; loading them again replaces them (nft(8)).
func writeRules(w io.Writer, all []admin.Port) {
	fmt.Fprintln(w, "# weir's ports. In your chains of table inet filter: input jumps to weir_in, output to weir_out.")
	fmt.Fprintln(w, "add table inet filter")
	for _, direction := range []string{admin.In, admin.Out} {
		chain := "inet filter weir_" + direction
		fmt.Fprintf(w, "add chain %s\nflush chain %s\n", chain, chain)
		for _, p := range all {
			if p.Direction != direction {
				continue
			}
			match, ok := rule(p)
			if !ok {
				fmt.Fprintf(w, "# no rule for %s %s %s: %s\n", clean(p.Protocol), clean(p.Address), clean(p.Port), clean(p.Purpose))
				continue
			}
			fmt.Fprintf(w, "add rule %s %s accept comment %q\n", chain, match, comment(p))
		}
	}
}

// rule is nothing for a name: nftables knows addresses only.
func rule(p admin.Port) (string, bool) {
	if p.Protocol != "tcp" && p.Protocol != "udp" || strings.Trim(p.Port, "0123456789-") != "" || p.Port == "" {
		return "", false
	}
	end := p.Protocol + " dport " + p.Port
	if p.Address == "*" {
		return end, true
	}
	prefix, err := netip.ParsePrefix(p.Address)
	if err != nil {
		a, err := netip.ParseAddr(p.Address)
		if err != nil {
			return "", false
		}
		prefix = netip.PrefixFrom(a.WithZone(""), a.BitLen())
	}
	a := prefix.Addr()
	family := "ip"
	if a.Is6() {
		family = "ip6"
	}
	switch {
	case a.IsUnspecified():
		nfproto := map[string]string{"ip": "ipv4", "ip6": "ipv6"}[family]
		return "meta nfproto " + nfproto + " " + end, true
	case prefix.IsSingleIP():
		return family + " daddr " + a.String() + " " + end, true
	}
	return family + " daddr " + prefix.Masked().String() + " " + end, true
}

// maxComment is what the kernel takes of a rule's comment, in bytes (NFTNL_UDATA_COMMENT_MAXLEN, less its NUL).
const maxComment = 127

func comment(p admin.Port) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields("weir "+p.Listener+" "+p.Plugin), " ")+": "+p.Purpose)
	return text[:min(len(text), maxComment)]
}
