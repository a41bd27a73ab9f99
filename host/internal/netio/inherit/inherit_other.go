//go:build !unix

package inherit

import (
	"errors"
	"os"
)

func take() []*os.File { return nil }

func clearEnviron() {}

func look(*os.File) (*Socket, error) { return nil, errors.ErrUnsupported }
