//go:build !wasip1

package proc

import (
	"context"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weir-media/weir/abi/v1"
)

// Name is the plugin's name among go-plugin's.
const Name = "weir"

// Handshake is how host and program know each other before they agree on a version.
var Handshake = goplugin.HandshakeConfig{
	MagicCookieKey:   "WEIR_PLUGIN",
	MagicCookieValue: "b0a9a7f2-weir",
}

// Names of weir.proto.
const (
	service        = "weir.v1.Plugin"
	manifestMethod = "/" + service + "/Manifest"
	callsMethod    = "/" + service + "/Calls"
)

// Sizes of gRPC's windows, in bytes (chosen: a stream's holds one whole box, a
// connection's those of several instances, and nothing is measured at run time).
const (
	streamWindow     = 2 * abi.UsualBox
	connectionWindow = 8 * streamWindow
)

// maxFrame is the largest message that either side takes, in bytes.
const maxFrame = abi.UsualBox + Envelope

// MaxManifest is the largest manifest, in bytes; chosen.
const MaxManifest = 1 << 20

// maxHeaders bounds the headers and trailers that the host takes of a program, in bytes,
// which otherwise are 16 MiB. A panic's stack travels in them, escaped to at most three
// times its size.
const maxHeaders = 64 << 10

// Versions are the ABI majors that this package speaks, as go-plugin's app versions.
// served is nil on the host's side.
func Versions(served *Server) map[int]goplugin.PluginSet {
	return map[int]goplugin.PluginSet{abi.Major: {Name: &wire{served: served}}}
}

// wire is the plugin in go-plugin's terms.
type wire struct {
	goplugin.NetRPCUnsupportedPlugin
	served *Server
}

func (w *wire) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&description, w.served)
	return nil
}

func (*wire) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &Client{conn}, nil
}

// DialOptions are what the host's connection needs besides go-plugin's own options. On
// it only this service can be called: go-plugin's own services keep, without a bound,
// what a program tells them.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxManifest + Envelope)),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
			if err := ours(method); err != nil {
				return err
			}
			return invoke(ctx, method, in, out, conn, o...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, conn *grpc.ClientConn, method string, begin grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
			if err := ours(method); err != nil {
				return nil, err
			}
			return begin(ctx, d, conn, method, o...)
		}),
	}
}

// ours refuses the methods of other services, as a program without them would.
func ours(method string) error {
	if strings.HasPrefix(method, "/"+service+"/") {
		return nil
	}
	return status.Error(codes.Unimplemented, "the host does not use "+method)
}

func serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(Codec()), grpc.MaxRecvMsgSize(maxFrame),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connectionWindow),
	}
}

// Client is the host's side of a program. It is safe for concurrent use, and lives as
// long as go-plugin's client.
type Client struct{ conn *grpc.ClientConn }

// Manifest asks for the text of plugin.yaml, which has at most MaxManifest bytes.
func (c *Client) Manifest(ctx context.Context) ([]byte, error) {
	var reply manifestReply
	err := c.conn.Invoke(ctx, manifestMethod, &manifestRequest{}, &reply, grpc.ForceCodecV2(Codec()))
	return reply.manifest, err
}

// Calls starts an instance. Cancelling ctx ends it. One goroutine at a time sends and
// receives Frames.
func (c *Client) Calls(ctx context.Context) (grpc.ClientStream, error) {
	return c.conn.NewStream(ctx, &description.Streams[0], callsMethod,
		grpc.ForceCodecV2(Codec()), grpc.MaxCallRecvMsgSize(maxFrame), grpc.MaxCallSendMsgSize(maxFrame))
}

// description is what protoc would generate of weir.proto's service.
var description = grpc.ServiceDesc{
	ServiceName: service,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Manifest", Handler: func(s any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := decode(&manifestRequest{}); err != nil {
			return nil, err
		}
		served := s.(*Server)
		served.restore() // the host asks first
		return &manifestReply{served.manifest}, nil
	}}},
	Streams: []grpc.StreamDesc{{StreamName: "Calls", ServerStreams: true, ClientStreams: true, Handler: func(s any, stream grpc.ServerStream) error {
		return s.(*Server).calls(stream)
	}}},
	Metadata: "weir.proto",
}
