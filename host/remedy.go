package host

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio/holder"
)

// heldWays is what helps where somebody else has the address; noRight: and weir could not have it either if it were free.
func (t trouble) heldWays(noRight bool) []string {
	h := t.holders[0]
	var ways []string
	switch {
	case h.Kind == holder.Self:
		return []string{"another listener, the admin API or the metrics of this configuration has it: give one of them another port"}
	case h.Kind == holder.Sibling:
		ways = append(ways, "replace that weir (weir serve --takeover)", "stop it")
	case h.Kind == holder.Systemd:
		ways = append(ways, "start weir by the socket unit that has it (README: systemd)", "stop that unit")
	case h.PID != 0:
		ways = append(ways, "end "+h.Program)
	default:
		ways = append(ways, "end that program (as root, `weir status` or `ss -ltunp` names it)")
	}
	if noRight {
		ways[len(ways)-1] += " and give weir CAP_NET_BIND_SERVICE"
		ways = append(ways, fmt.Sprintf("choose a port from %d on", t.privileged))
	} else {
		ways = append(ways, "choose another port")
	}
	if held := h.Address.Addr(); held.IsValid() && !held.IsUnspecified() {
		ways = append(ways, "choose addresses without "+held.String())
	}
	if way := t.steerWay(); way != "" {
		ways = append(ways, way)
	}
	return ways
}

// steerWay is how steering could bring what binding did not.
func (t trouble) steerWay() string {
	switch {
	case t.listener.Steer == config.SteerOff && t.address.Addr().IsUnspecified():
		return "let weir take single addresses from it (addresses: [...] and steer: auto)"
	case t.listener.Steer == config.SteerOff:
		return "let weir take just this address from it (steer: auto)"
	case t.steer == nil && t.address.Addr().IsUnspecified():
		return "let weir take single addresses from it (addresses: [...])"
	case t.steer == nil:
		return "have weir take the address from it (steer: require)"
	case strings.HasPrefix(t.steer.Missing, "CAP_"):
		return "give weir " + t.steer.Missing + ", which it lacks to steer the address to itself (systemd: AmbientCapabilities=; else: setcap)"
	case t.steer.Missing != "":
		return "give weir what it lacks to steer the address to itself: " + t.steer.Missing
	}
	return "make steering possible, which failed: " + t.steer.Err.Error()
}

// defaultPrivileged is where Linux draws the line unless told otherwise (ip(7): ip_unprivileged_port_start).
const defaultPrivileged = 1024

// privilegedPorts tells the first port that needs no right.
func privilegedPorts() uint16 {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return defaultPrivileged
	}
	return parsePort(string(text))
}

func parsePort(text string) uint16 {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil {
		return defaultPrivileged
	}
	return uint16(n)
}

// rightWays is what helps where the right to bind is missing.
func (t trouble) rightWays() []string {
	port := t.address.Port()
	if port >= t.privileged {
		return []string{"a security module or a filter of system calls forbids it: allow it there", "choose another port"}
	}
	ways := []string{
		fmt.Sprintf("give weir CAP_NET_BIND_SERVICE, which ports below %d need (systemd: AmbientCapabilities=; else: setcap cap_net_bind_service+ep)",
			t.privileged),
		"have systemd open the port (README: systemd)",
		fmt.Sprintf("run: sysctl net.ipv4.ip_unprivileged_port_start=%d", port),
		fmt.Sprintf("choose a port from %d on", t.privileged),
	}
	if way := t.steerWay(); t.steer != nil && way != "" {
		ways = append(ways, way)
	}
	return ways
}

// absentWays is what helps where this computer does not have the address.
func (t trouble) absentWays() []string {
	a := t.address.Addr()
	switch {
	case t.listener.Datagrams.Interface != "" && !hasInterface(t.listener.Datagrams.Interface):
		return []string{"there is no interface " + t.listener.Datagrams.Interface + " here: correct listeners." + t.listener.Name + ".interface"}
	case a.IsMulticast():
		return []string{"name the interface on which the group is joined (interface: ...)", "give the interface a route for multicast"}
	}
	local := localAddresses()
	if a.Is6() && !hasFamily(local, true) {
		return []string{"IPv6 is switched off on this computer: take " + a.String() + " out", "switch it on (sysctl net.ipv6.conf.all.disable_ipv6=0)"}
	}
	return []string{"take an address that this computer has (" + addressList(local) + ")", "add " + a.String() + " to an interface"}
}

func hasInterface(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

func localAddresses() (all []netip.Addr) {
	of, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range of {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr())
		}
	}
	return all
}

func hasFamily(all []netip.Addr, v6 bool) bool {
	for _, a := range all {
		if a.Is6() == v6 {
			return true
		}
	}
	return false
}

// maxAddresses is how many of this computer's addresses a remedy lists. Chosen: one line.
const maxAddresses = 6

func addressList(all []netip.Addr) string {
	var texts []string
	for _, a := range all {
		if len(texts) == maxAddresses {
			texts = append(texts, "…")
			break
		}
		texts = append(texts, a.String())
	}
	if len(texts) == 0 {
		return "it has none"
	}
	return strings.Join(texts, ", ")
}
