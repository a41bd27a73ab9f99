//go:build !linux

package holder

import (
	"context"
	"errors"
)

func list(context.Context, bool, uint16) ([]socket, error) { return nil, errors.ErrUnsupported }

func owners(context.Context, map[uint64][]int) {}

func program(int) string { return "" }

func userName(uint32) string { return "" }
