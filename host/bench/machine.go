package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// describeMachine says where and with what is measured.
func describeMachine(b *bench) []string {
	memory := ""
	if kB, _, _ := strings.Cut(fieldOf("/proc/meminfo", "MemTotal"), " "); kB != "" {
		if n, err := strconv.Atoi(kB); err == nil {
			memory = fmt.Sprintf(", %d GiB", n>>20)
		}
	}
	return []string{
		time.Now().UTC().Format("2006-01-02 15:04 MST"),
		fmt.Sprintf("%s, %d cores%s, %s", fieldOf("/proc/cpuinfo", "model name"), runtime.NumCPU(), memory, kernel()),
		fmt.Sprintf("%s; weir %s; tools from %s", runtime.Version(), revision(), b.tools.from),
		"peers: " + strings.Join(versions(), ", "),
		fmt.Sprintf("rounds: %d; a run was repeated, twice at most, where others took more than %g %% of a core meanwhile", b.rounds, b.foreign),
	}
}

// fieldOf gives the value of the first line of a file that begins with a name and a colon.
func fieldOf(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func revision() string {
	out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return "of an unknown revision"
	}
	return strings.TrimSpace(string(out))
}

var version = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// versions asks each peer that is installed.
func versions() []string {
	var all []string
	for _, p := range [][]string{{"icecast2", "-v"}, {"nginx", "-v"}, {"vlc", "--version"}, {"gst-launch-1.0", "--version"}} {
		if _, err := exec.LookPath(p[0]); err != nil {
			continue
		}
		cmd := exec.Command(p[0], p[1:]...)
		setApart(cmd, true)
		out, _ := cmd.CombinedOutput()
		all = append(all, p[0]+" "+version.FindString(strings.ReplaceAll(string(out), p[0], "")))
	}
	if len(all) == 0 {
		return []string{"none installed"}
	}
	return all
}
