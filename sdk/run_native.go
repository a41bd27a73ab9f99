//go:build !wasip1

package sdk

import "os"

var registered *Plugin

// Register makes p the plugin of this program.
func Register(p *Plugin) { registered = p }

// Registered gives the plugin that Register was called with, for native test runs;
// nil if none was.
func Registered() *Plugin { return registered }

// Main is what a plugin's main function calls. A plugin started as a program of its
// own has nothing to do: it says how to build it and ends with status 2.
func Main() {
	_, _ = os.Stderr.WriteString("this is a weir plugin; build it with: weir plugin build\n")
	os.Exit(2)
}

func emit(_ Level, text string) { _, _ = os.Stderr.WriteString(text + "\n") }
