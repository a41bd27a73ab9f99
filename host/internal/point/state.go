package point

import "errors"

// State is what a point is doing.
//
//	idle      no source, and none is expected
//	waiting   a source is expected: one is being started, or the last one left less than the grace period ago
//	live      a source feeds the point
//	draining  the server ends; viewers finish, nobody joins
//	failed    the source could not be started; Reason says why
//	stopped   an operator, or the configuration, has stopped it: nobody joins or feeds it
type State uint8

// The states.
const (
	Idle State = iota + 1
	Waiting
	Live
	Draining
	Failed
	Stopped
)

var stateNames = [...]string{"", "idle", "waiting", "live", "draining", "failed", "stopped"}

// String gives the state's name as status and logs print it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return ""
}

// isOver reports whether nobody joins or feeds the point.
func (s State) isOver() bool { return s == Draining || s == Stopped }

// Errors that a session meets at a point.
var (
	ErrBusy     = errors.New("the point has a source already")
	ErrNotPush  = errors.New("the point's source is set in the configuration; it takes no push")
	ErrFull     = errors.New("a limit of viewers is reached") // as FullError, which says which
	ErrNoSuch   = errors.New("the point has no such rendition")
	ErrNotReady = errors.New("the rendition has no header yet")
	ErrClosed   = errors.New("the point is draining")
	ErrStopped  = errors.New("the point is stopped")
	ErrGone     = errors.New("the source has left the point")
)
