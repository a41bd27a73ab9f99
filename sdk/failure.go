package sdk

import (
	"errors"

	"github.com/weir-media/weir/abi/v1"
)

// Failure is the error with which a plugin blames somebody in words: Code tells the
// host whom (abi.EPROTO: the peer), Text is written for the person who reads the log
// or the peer's answer. The runner makes a FAIL verdict of it.
type Failure struct {
	Code abi.Code
	Text string
}

// Fail makes a Failure.
func Fail(code abi.Code, text string) error { return &Failure{Code: code, Text: text} }

// Error gives the text alone, since the code travels beside it.
func (f *Failure) Error() string { return f.Text }

// codeOf finds the code of an error or of one that it wraps.
func codeOf(err error) abi.Code {
	if failure, ok := errors.AsType[*Failure](err); ok {
		return failure.Code
	}
	if code, ok := errors.AsType[abi.Code](err); ok {
		return code
	}
	if errors.Is(err, abi.ErrFull) {
		return abi.ETOOBIG
	}
	return abi.EINTERNAL
}
