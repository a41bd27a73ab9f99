package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// peerPackages are Debian's packages of the servers that weir is measured beside.
var peerPackages = []string{
	"icecast2", "nginx-light", "libnginx-mod-rtmp", "vlc-bin", "vlc-plugin-base",
	"gstreamer1.0-tools", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad",
}

// installPeers installs each package that is missing; one that cannot be had does not keep the others away.
func installPeers(log io.Writer) error {
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return errors.New("peers: only root on a system with apt-get can install them; leave PEERS out to measure those that are there")
	}
	if err := apt(log, append([]string{"install", "-y", "--no-install-recommends"}, peerPackages...)...); err == nil {
		return nil
	}
	_ = apt(log, "update")
	for _, p := range peerPackages {
		if err := apt(log, "install", "-y", "--no-install-recommends", p); err != nil {
			fmt.Fprintf(log, "peers: %s: %v\n", p, err)
		}
	}
	return nil
}

func apt(log io.Writer, args ...string) error {
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		fmt.Fprintf(log, "%s", out)
	}
	return err
}
