package sdk

// Level ranks a log line, as in log/slog.
type Level int32

// The levels.
const (
	Debug Level = -4
	Note  Level = 0
	Warn  Level = 4
	Error Level = 8
)

// Log sends a line to the host's log under the plugin's name. The host limits how
// many lines a plugin may write per second.
func Log(level Level, text string) { emit(level, text) }
