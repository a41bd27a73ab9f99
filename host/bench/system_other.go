//go:build !linux

package main

import (
	"errors"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

var errSystem = errors.New("bench: only Linux tells what is measured")

func setApart(*exec.Cmd, bool)                      {}
func signalGroup(cmd *exec.Cmd, sig syscall.Signal) { _ = cmd.Process.Signal(sig) }
func raiseFiles() int                               { return 0 }
func processTime(int) (time.Duration, error)        { return 0, errSystem }
func idleTime() (time.Duration, error)              { return 0, errSystem }
func twoCores() (cores, error)                      { return cores{}, errSystem }
func softwareInterrupts() []int                     { return nil }
func kernel() string                                { return runtime.GOOS }

func viewersTLS([]string, io.Writer) error { return errSystem }
