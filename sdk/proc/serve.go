//go:build !wasip1

package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// ManifestFlag makes a program print its manifest and end.
const ManifestFlag = "--manifest"

// maxStack is how much of a panic's stack travels, in bytes (chosen: well below what
// gRPC lets a trailer hold).
const maxStack = 8 << 10

// Server is the program's side: it makes an instance of the plugin for each stream.
type Server struct {
	newPlugin func() *sdk.Plugin
	manifest  []byte
	output    *os.File // nil: whatever os.Stdout and os.Stderr are
	restored  sync.Once
}

// NewServer serves newPlugin's plugins under that manifest.
func NewServer(newPlugin func() *sdk.Plugin, manifest []byte) *Server {
	return &Server{newPlugin: newPlugin, manifest: manifest}
}

// restore takes back the standard files. go-plugin puts pipes there and sends on what it
// reads from them, so that the last words of a program that ends would be lost.
func (s *Server) restore() {
	s.restored.Do(func() {
		if s.output != nil {
			os.Stdout, os.Stderr = s.output, s.output
		}
	})
}

// Carry makes sdk.Main serve the registered plugin under that manifest. Call it before
// main runs.
func Carry(manifest string) {
	stderr := os.Stderr // go-plugin puts a pipe of its own there
	sdk.Carry(func(newPlugin func() *sdk.Plugin) { Serve(newPlugin, []byte(manifest)) },
		func(level sdk.Level, text string) { _, _ = stderr.WriteString(Line(level, text)) })
}

// Line is the form in which a line of the plugin's log travels on standard error: its
// level, and the text with its line ends made blanks.
func Line(level sdk.Level, text string) string {
	return "[" + levelName(level) + "] " + strings.NewReplacer("\n", " ", "\r", " ").Replace(text) + "\n"
}

func levelName(level sdk.Level) string {
	switch {
	case level >= sdk.Error:
		return "ERROR"
	case level >= sdk.Warn:
		return "WARN"
	case level >= sdk.Note:
		return "INFO"
	}
	return "DEBUG"
}

// Serve serves the host that started this program, and does not return before the host
// is gone. A program that nobody's host started prints its manifest, or says what it is
// and ends with status 2.
func Serve(newPlugin func() *sdk.Plugin, manifest []byte) {
	if len(os.Args) == 2 && os.Args[1] == ManifestFlag {
		_, _ = os.Stdout.Write(manifest)
		return
	}
	if os.Getenv(Handshake.MagicCookieKey) != Handshake.MagicCookieValue {
		_, _ = os.Stderr.WriteString("this is a weir plugin; name it in plugins.yaml as exec:, or ask it for its " + ManifestFlag + "\n")
		os.Exit(2)
	}
	served := NewServer(newPlugin, manifest)
	served.output = os.Stderr
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: Versions(served),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, serverOptions()...)...)
		},
		Logger: hclog.NewNullLogger(),
	})
}

// calls is one instance: it answers frame after frame until the host ends the stream.
func (s *Server) calls(stream grpc.ServerStream) error {
	s.restore()
	var question, answer Frame
	p, err := s.instance()
	if err != nil {
		return err
	}
	out := make([]byte, abi.UsualBox)
	for {
		err := stream.RecvMsg(&question)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := call(p, &question, &answer, out); err != nil {
			return err
		}
		if err := stream.SendMsg(&answer); err != nil {
			return err
		}
	}
}

func (s *Server) instance() (p *sdk.Plugin, err error) {
	defer func() { err = recovered(recover(), err) }()
	return s.newPlugin(), nil
}

// call answers one frame. A panic is this instance's end: status Aborted, with the stack.
func call(p *sdk.Plugin, question, answer *Frame, out []byte) (err error) {
	defer func() { err = recovered(recover(), err) }()
	answer.ID, answer.Records, answer.Status = question.ID, nil, 0
	out[0] = 0 // no text yet
	if n := p.Call(question.Records, out); n >= 0 {
		answer.Records = out[:n]
	} else {
		answer.Status = n
		text, _, _ := strings.Cut(string(out[:min(len(out), maxStack)]), "\x00")
		answer.Records = []byte(text)
	}
	return nil
}

func recovered(reason any, err error) error {
	if reason == nil {
		return err
	}
	stack := debug.Stack()
	return status.Error(codes.Aborted, fmt.Sprintf("panic: %v\n%s", reason, stack[:min(len(stack), maxStack)]))
}
