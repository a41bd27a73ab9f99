package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weir-media/weir/host/internal/plugin/proc/launch"
	sdkproc "github.com/weir-media/weir/sdk/proc"
)

const maxManifest = sdkproc.MaxManifest

// wireNotice is how long a connection that ends may take to be seen closed after its streams have ended; chosen. gRPC closes it first.
const wireNotice = 50 * time.Millisecond

// unknownGreeting begins go-plugin's error about a program whose first line is not what it expects, or is missing.
const unknownGreeting = "Unrecognized remote plugin message"

// process is one living program with the connection to it.
type process struct {
	client  *goplugin.Client
	calls   *sdkproc.Client
	run     *running
	tail    *tail
	began   time.Time
	served  []byte // its manifest
	traffic traffic
	quiet   context.CancelFunc // ends what waits for the log
	silent  chan struct{}      // closed when all that the process said was read
}

// start starts a program, connects to it and asks for its manifest, which is to be the expected one unless that is nil. An error has the end of
// what the program said.
func (g *generation) start(expected []byte) (*process, error) {
	p := &process{began: time.Now(), tail: &tail{}, silent: make(chan struct{})}
	ctx, cancel := context.WithCancel(g.stop)
	p.quiet = cancel
	log := &speaker{gate: &g.gate, tail: p.tail, stop: ctx.Done()}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: sdkproc.Handshake, VersionedPlugins: sdkproc.Versions(nil), AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, like *exec.Cmd, dir string) (r runner.Runner, err error) {
			if p.run, err = g.runner(like.Env, dir); err != nil {
				return nil, err
			}
			p.run.stop, p.run.said = ctx, log.writer()
			return p.run, nil
		},
		AutoMTLS: true, SkipHostEnv: true, UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: g.dir.path},
		GRPCDialOptions: append(sdkproc.DialOptions(), grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return p.run.dial() })),
		StartTimeout:    g.startLimit(), Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}), Stderr: log.writer(),
	})
	err := p.connect()
	if err == nil {
		err = p.greet(ctx, g.startLimit(), expected)
	}
	if err == nil {
		return p, nil
	}
	p.close()
	if strings.HasPrefix(err.Error(), unknownGreeting) {
		err = errors.New("it did not begin as a plugin does: build it by weir plugin build --proc")
	}
	if p.run != nil && p.run.how != "" {
		err = fmt.Errorf("%w; %s", err, p.run.how)
	}
	return nil, said(err, p.tail.brief())
}

// connect starts the process, and waits for its address.
func (p *process) connect() error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(sdkproc.Name)
	if err != nil {
		return err
	}
	p.calls = raw.(*sdkproc.Client)
	return nil
}

// runner makes the process that go-plugin then starts. Folder and program are the account's.
func (g *generation) runner(env []string, dir string) (*running, error) {
	if g.spec.Switch {
		if err := os.Chown(dir, int(g.spec.UID), int(g.spec.GID)); err != nil {
			return nil, err
		}
	}
	cmd, err := launch.Command(g.spec, g.executable.file, g.executable.path)
	if err != nil {
		return nil, err
	}
	cmd.Env = g.environ(env)
	r := &running{cmd: cmd, dir: dir, account: uint32(os.Geteuid()), spent: g.spent}
	if g.spec.Switch {
		r.account = g.spec.UID
	}
	return r, nil
}

// environ is all of a program's environment.
func (g *generation) environ(env []string) []string {
	// Go's runtime collects before it meets the limit. A quarter is left for what it does not count (chosen).
	return append(env, "GOMEMLIMIT="+strconv.FormatUint(g.spec.Data/4*3, 10))
}

// greet asks the running program for its manifest.
func (p *process) greet(ctx context.Context, limit time.Duration, expected []byte) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if p.served, err = p.calls.Manifest(ctx); err != nil {
		return fmt.Errorf("ask for the manifest: %s", clip(err.Error(), maxCause))
	}
	if len(p.served) > maxManifest {
		return fmt.Errorf("its manifest has %d bytes, more than %d", len(p.served), maxManifest)
	}
	if expected != nil && !bytes.Equal(p.served, expected) {
		return errors.New("the program serves another manifest than the one that it prints; build it anew by weir plugin build --proc")
	}
	return nil
}

// lost reports whether a call's error is that of the connection, with which the process is of no use, rather than of the call's own stream.
func (p *process) lost(err error) bool {
	if p.run.over() || p.run.wire.isClosed() {
		return true
	}
	if status.Code(err) != codes.Unavailable { // what gRPC says of a connection that ended; a program may say it too
		return false
	}
	notice := time.NewTimer(wireNotice)
	defer notice.Stop()
	select {
	case <-p.run.wire.closed:
		return true
	case <-p.run.done:
		return true
	case <-notice.C:
		return false
	}
}

// close ends the process and waits for all that belonged to it.
func (p *process) close() {
	p.quiet()
	if p.run != nil && p.run.done != nil && p.run.pid != 0 {
		p.run.kill()
		<-p.run.done // go-plugin would ask it to end, and wait for that
	}
	p.client.Kill()
	close(p.silent)
	if p.run != nil && p.run.out != nil {
		p.run.closePipes()
	}
}

// ask runs the program with --manifest.
func (g *generation) ask(ctx context.Context) ([]byte, error) {
	cmd, err := launch.Command(g.spec, g.executable.file, g.executable.path, sdkproc.ManifestFlag)
	if err != nil {
		return nil, err
	}
	cmd.Env = g.environ(nil)
	ctx, cancel := context.WithTimeout(ctx, g.startLimit())
	defer cancel()
	r := &running{cmd: cmd, stop: ctx, spent: g.spent}
	if err = r.Start(ctx); err != nil {
		return nil, err
	}
	defer r.closePipes()
	spoke := make(chan string)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(r.err, tailBytes)) // up to the end of the process or lastWords
		_, _ = io.Copy(io.Discard, r.err)                       // it must not wait for a reader
		spoke <- string(text)
	}()
	text, err := io.ReadAll(io.LimitReader(r.out, maxManifest+1))
	goesOn := time.AfterFunc(lastWords, r.kill) // after its manifest
	<-r.done
	isKilled := !goesOn.Stop() || len(text) > maxManifest
	problem := <-spoke
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("it did not print its manifest within %v", g.startLimit())
	case len(text) > maxManifest:
		err = fmt.Errorf("its manifest has more than %d bytes", maxManifest)
	case err == nil && len(text) == 0:
		err = errors.New("it did not print a manifest when asked by " + sdkproc.ManifestFlag + ": it is no weir plugin, or was not built by weir plugin build --proc")
	}
	if err == nil && !isKilled && !r.cmd.ProcessState.Success() {
		err = fmt.Errorf("asked by %s, it did not end well: %s", sdkproc.ManifestFlag, r.how)
	}
	if err != nil {
		return nil, said(err, problem)
	}
	return text, nil
}
