package session

import (
	"errors"
	"fmt"

	"github.com/weir-media/weir/abi/v1"
)

var (
	errForeign  = errors.New("verdict for a session that is not in the frame")
	errCritical = errors.New("unknown critical record")
)

// verdicts holds a frame's verdicts, sorted by the sessions of the frame. It is
// reused from frame to frame.
type verdicts struct{ per [abi.MaxFrameEvents][]abi.Raw }

func (v *verdicts) of(i int) []abi.Raw { return v.per[i] }

// collect reads the frame. Ops that this host does not know are skipped unless they
// are critical.
func (v *verdicts) collect(reader *abi.Reader, frame []byte, taken []*Session) error {
	for i := range taken {
		v.per[i] = v.per[i][:0]
	}
	if len(frame) == 0 { // weir_call gave 0: no verdicts
		return nil
	}
	if err := reader.Reset(frame); err != nil {
		return err
	}
	at := 0
	for {
		raw, ok, err := reader.Next()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if raw.Session != taken[at].id {
			if at = place(taken, raw.Session); at < 0 {
				return fmt.Errorf("%w: %d", errForeign, raw.Session)
			}
		}
		switch {
		case raw.Op.IsVerdict() && raw.Op <= abi.OpLogin:
			v.per[at] = append(v.per[at], raw)
		case raw.IsCritical():
			return fmt.Errorf("%w: %v", errCritical, raw.Op)
		}
	}
}

func place(taken []*Session, id uint64) int {
	for i, s := range taken {
		if s.id == id {
			return i
		}
	}
	return -1
}
