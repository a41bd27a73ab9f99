package sdk

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

func TestCodeOfWrappedErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want abi.Code
	}{
		{errors.New("whatever"), abi.EINTERNAL},
		{abi.ErrFull, abi.ETOOBIG},
		{abi.EBUSY, abi.EBUSY},
		{Fail(abi.EPROTO, "no such format"), abi.EPROTO},
		{fmt.Errorf("begin: %w", abi.ErrFull), abi.ETOOBIG},
		{fmt.Errorf("begin: %w", abi.EBUSY), abi.EBUSY},
		{fmt.Errorf("begin: %w", Fail(abi.EPROTO, "no such format")), abi.EPROTO},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
