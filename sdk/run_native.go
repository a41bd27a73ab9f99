//go:build !wasip1

package sdk

import "os"

var (
	registered func() *Plugin
	serve      func(newPlugin func() *Plugin)
	logTo      func(level Level, text string)
)

// Register makes newPlugin's plugin the one of this program. Call it from an init
// function. newPlugin is called once for each instance, and instances of one process
// run at the same time: what they remember belongs in the value, not in package
// variables.
func Register(newPlugin func() *Plugin) { registered = newPlugin }

// Registered makes a plugin by what Register was called with, for native test runs; nil
// if nothing was registered.
func Registered() *Plugin {
	if registered == nil {
		return nil
	}
	return registered()
}

// Carry makes run what Main does in a native build, and log where Log's lines go. Package
// sdk/proc calls it before main; a plugin has no need to.
func Carry(run func(newPlugin func() *Plugin), log func(level Level, text string)) {
	serve, logTo = run, log
}

// Main is what a plugin's main function calls. In a program built with `weir plugin build
// --proc` it serves the host that started it until that host is gone. Otherwise it has
// nothing to do: it says how to build the plugin and ends with status 2.
func Main() {
	if serve != nil && registered != nil {
		serve(registered)
		return
	}
	_, _ = os.Stderr.WriteString("this is a weir plugin; build it with: weir plugin build\n")
	os.Exit(2)
}

func emit(level Level, text string) {
	if logTo != nil {
		logTo(level, text)
		return
	}
	_, _ = os.Stderr.WriteString(text + "\n")
}
