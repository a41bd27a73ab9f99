package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Keys of attributes. Those of identityKeys also tell which lines count as the same.
const (
	KeyPlugin     = "plugin"
	KeyPoint      = "point"
	KeyListener   = "listener"
	KeySession    = "session"
	KeyPeer       = "peer"
	KeyReason     = "reason"
	KeyKind       = "kind"
	KeyGeneration = "generation"
	KeyError      = "error"
)

// Err is the attribute of an error.
func Err(err error) slog.Attr { return slog.Any(KeyError, err) }

// ParseLevel reads debug, info, warn or error; empty is info.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q is unknown; choose debug, info, warn or error", s)
}

// OpenLog makes the host's logger: text lines on w from level up, repeated warnings and errors summed by a Summary. A *slog.LevelVar as level can be
// turned at run time. The caller closes the Summary after the last line.
func OpenLog(w io.Writer, level slog.Leveler) (*slog.Logger, *Summary) {
	s := NewSummary(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	return slog.New(s.Handler()), s
}
