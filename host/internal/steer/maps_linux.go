package steer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ruleBits is how many bits of a rule's key come before the address.
const ruleBits = 32

// readAtOnce is how many words of port_class one system call reads. Chosen.
const readAtOnce = 1 << 14

func ruleKey(side uint32, k classRule) skLookupRuleKey {
	key := skLookupRuleKey{
		Prefixlen:  ruleBits + uint32(k.prefix.Bits()),
		Generation: uint8(side),
		Family:     unix.AF_INET,
		Class:      k.class,
	}
	address := k.prefix.Addr().AsSlice()
	if k.prefix.Addr().Is6() {
		key.Family = unix.AF_INET6
	}
	for i := range len(address) / 4 {
		key.Address[i] = binary.NativeEndian.Uint32(address[i*4:])
	}
	return key
}

func parseRuleKey(key skLookupRuleKey) (side uint32, k classRule, err error) {
	var address [16]byte
	for i, word := range key.Address {
		binary.NativeEndian.PutUint32(address[i*4:], word)
	}
	a := netip.AddrFrom16(address)
	switch {
	case key.Family == unix.AF_INET:
		a = netip.AddrFrom4([4]byte(address[:4]))
	case key.Family != unix.AF_INET6:
		return 0, k, fmt.Errorf("steering table: rule of family %d", key.Family)
	}
	prefix := netip.PrefixFrom(a, int(key.Prefixlen)-ruleBits)
	if !prefix.IsValid() || prefix != prefix.Masked() || key.Generation > 1 {
		return 0, k, fmt.Errorf("steering table: rule for %v of generation %d", prefix, key.Generation)
	}
	return uint32(key.Generation), classRule{key.Class, prefix}, nil
}

// image is what one half of the maps holds, read if it is not known.
func (t *Table) image(side uint32) (*image, error) {
	if t.images[side] == nil {
		images, err := t.read()
		if err != nil {
			return nil, err
		}
		t.images[side] = images[side]
	}
	return t.images[side], nil
}

// read reads both halves from the kernel.
func (t *Table) read() ([2]*image, error) {
	images := [2]*image{newImage(), newImage()}
	var cursor ebpf.MapBatchCursor
	keys, values := make([]uint32, readAtOnce), make([]uint16, readAtOnce)
	for {
		n, err := t.objects.PortClass.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			images[keys[i]/ports].classes[keys[i]%ports] = values[i]
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			break
		}
		if err != nil {
			return images, fmt.Errorf("steering table: read classes of ports: %w", err)
		}
	}
	var key skLookupRuleKey
	var value skLookupRule
	all := t.objects.Rules.Iterate()
	for all.Next(&key, &value) {
		side, k, err := parseRuleKey(key)
		if err != nil {
			return images, err
		}
		images[side].rules[k] = target{value.Destination, value.Flags&ruleDrop != 0}
	}
	if err := all.Err(); err != nil {
		return images, fmt.Errorf("steering table: read rules: %w", err)
	}
	return images, nil
}
