package proc

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// account finds the account that runs a plugin. change is false if it is weir's own.
func account(name string) (change bool, uid, gid uint32, err error) {
	own := os.Geteuid()
	if name == "" {
		if own == 0 {
			return false, 0, 0, errors.New("user: is required when weir runs as root; name the account that runs the plugin, as in user: nobody")
		}
		return false, 0, 0, nil
	}
	if uid, gid, err = find(name); err != nil {
		return false, 0, 0, err
	}
	switch {
	case uid == 0:
		return false, 0, 0, fmt.Errorf("user: %q is root, which would give the plugin the machine; name another account", name)
	case gid == 0:
		return false, 0, 0, fmt.Errorf("user: %q is in root's group, which may read and write what is not the plugin's; name another account", name)
	case int(uid) == own:
		return false, uid, gid, nil
	case own != 0:
		return false, 0, 0, fmt.Errorf("user: weir runs as user %d and cannot run a plugin as %q; run weir as root, or leave user: out", own, name)
	}
	return true, uid, gid, nil
}

// noGroup is the number of the group that owns nothing, where there is none of that name: the kernel's overflowgid.
const noGroup = 65534

// nobodysGroup is for accounts that are in no list: a group of the same number may be anybody's.
func nobodysGroup() string {
	for _, name := range []string{"nogroup", "nobody"} { // Debian's name and Fedora's
		if g, err := user.LookupGroup(name); err == nil {
			return g.Gid
		}
	}
	return strconv.Itoa(noGroup)
}

// find takes a name, or a number, which need not be in the list of accounts.
func find(name string) (uid, gid uint32, err error) {
	a, err := user.Lookup(name)
	if _, number := strconv.ParseUint(name, 10, 31); err != nil && number == nil {
		if a, err = user.LookupId(name); err != nil {
			a, err = &user.User{Uid: name, Gid: nobodysGroup()}, nil
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("user: there is no account %q on this machine; make it, or name another", name)
	}
	u, err := strconv.ParseUint(a.Uid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("user: account %q: %w", name, err)
	}
	group, err := strconv.ParseUint(a.Gid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("user: account %q: %w", name, err)
	}
	return uint32(u), uint32(group), nil
}
