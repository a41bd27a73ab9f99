package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/admin"
)

func newPorts() *cobra.Command {
	var at remote
	var nft bool
	cmd := &cobra.Command{
		Use:   "ports",
		Short: "Show what the running server has open, and what its plugins may reach",
		Long: "Ports shows what is open, what steering brings, which multicast groups are joined, and what the server and its plugins may reach.\n" +
			"With --nft it prints rules for nftables that can be included: two chains, weir_in and weir_out, of table inet filter.",
		Example: "  weir ports\n  weir ports --nft > /etc/nftables.d/weir.nft   # in nftables.conf: include \"/etc/nftables.d/*.nft\"",
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
	t := newTable(w, "DIRECTION", "PROTOCOL", "ADDRESS", "PORT", "BY", "LISTENER", "PLUGIN", "PURPOSE")
	for _, p := range all {
		t.row(p.Direction, p.Protocol, p.Address, p.Port, p.Rung, p.Listener, p.Plugin, p.Purpose)
	}
	t.flush()
}

// writeRules writes chains to which an operator's own chains jump. It deletes and flushes nothing, so that it can be a part of a larger file.
func writeRules(w io.Writer, all []admin.Port) {
	fmt.Fprint(w, "# weir's ports. In your chains of table inet filter, behind `ct state established,related accept`: input jumps to weir_in, output to weir_out.\n"+
		"# Loaded by itself a second time it adds to what is there; before that:\n"+
		"# nft flush chain inet filter weir_in; nft flush chain inet filter weir_out\n"+
		"table inet filter {\n")
	for _, direction := range []string{admin.In, admin.Out} {
		fmt.Fprintf(w, "\tchain weir_%s {\n", direction)
		for _, p := range all {
			if p.Direction != direction {
				continue
			}
			match, ok := rule(p)
			if !ok {
				fmt.Fprintf(w, "\t\t# no rule for %s %s %s: %s\n", clean(p.Protocol), clean(p.Address), clean(p.Port), clean(p.Purpose))
				continue
			}
			fmt.Fprintf(w, "\t\t%s accept comment %q\n", match, comment(p))
		}
		fmt.Fprint(w, "\t}\n")
	}
	fmt.Fprint(w, "}\n")
}

// memberships are what tells routers of groups: IGMP (RFC 3376), and MLD, which is of ICMPv6 (RFC 3810).
var memberships = map[string]string{
	"igmp": "ip protocol igmp",
	"mld":  "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report }",
}

// rule is nothing for a name: nftables knows addresses only.
func rule(p admin.Port) (string, bool) {
	if match, ok := memberships[p.Protocol]; ok {
		return match, p.Port == "" && p.Address == "*"
	}
	ports, ok := ruleports(p.Port)
	if !ok || p.Protocol != "tcp" && p.Protocol != "udp" {
		return "", false
	}
	end := p.Protocol + " dport " + ports
	if p.Address == "*" {
		return end, true
	}
	prefix, err := netip.ParsePrefix(p.Address)
	if err != nil {
		a, err := netip.ParseAddr(p.Address)
		if err != nil {
			return "", false
		}
		a = a.WithZone("")
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	family, nfproto := "ip", "ipv4"
	if prefix.Addr().Is6() {
		family, nfproto = "ip6", "ipv6"
	}
	switch a := prefix.Addr(); {
	case prefix.Bits() == 0, prefix.IsSingleIP() && a.IsUnspecified():
		return "meta nfproto " + nfproto + " " + end, true
	case prefix.IsSingleIP():
		return family + " daddr " + a.String() + " " + end, true
	}
	return family + " daddr " + prefix.Masked().String() + " " + end, true
}

// ruleports makes sure that a port, or a range, is one.
func ruleports(text string) (string, bool) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.ParseUint(low, 10, 16)
	if err != nil || first == 0 {
		return "", false
	}
	last, err := strconv.ParseUint(high, 10, 16)
	switch {
	case err != nil || last < first:
		return "", false
	case first == last:
		return strconv.FormatUint(first, 10), true
	}
	return fmt.Sprintf("%d-%d", first, last), true
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
