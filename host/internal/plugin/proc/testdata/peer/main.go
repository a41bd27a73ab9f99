// Command peer is a program that speaks the host's protocol and means it ill, for the tests of package proc. Its file's name says how.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

const manifest = "name: peer\nversion: 0.1.0\nabi: \"1.0\"\nsummary: means ill\nroles: [control]\n"

var mode = filepath.Base(os.Args[0])

func main() {
	path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	said := path
	if mode == "link" { // what it says is its socket leads to another's
		said = path + "2"
		if err := os.Symlink(filepath.Join(filepath.Dir(os.Args[0]), "victim"), said); err != nil {
			panic(err)
		}
	}
	certificate := newCertificate()
	fmt.Printf("1|1|unix|%s|grpc|%s\n", said, base64.RawStdEncoding.EncodeToString(certificate.Certificate[0]))
	if mode == "talk" {
		fmt.Print("[WARN] on standard output\nat its end")
	}
	if err := server(certificate).Serve(listener); err != nil {
		panic(err)
	}
}

func server(certificate tls.Certificate) *grpc.Server {
	options := []grpc.ServerOption{
		grpc.Creds(credentials.NewServerTLSFromCert(&certificate)), grpc.ForceServerCodecV2(raw{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			method, _ := grpc.MethodFromServerStream(stream)
			return answer(method, stream)
		}),
	}
	if mode == "quota" {
		options = append(options, grpc.MaxConcurrentStreams(1))
	}
	return grpc.NewServer(options...)
}

func answer(method string, stream grpc.ServerStream) error {
	switch method {
	case "/weir.v1.Plugin/Calls":
		return calls(stream)
	case "/weir.v1.Plugin/Manifest":
		text := manifest
		if mode == "novel" {
			text += strings.Repeat("# and so on\n", 2<<20)
		}
		return reply(stream, text)
	}
	fmt.Fprintln(os.Stderr, "asked for", method)
	<-stream.Context().Done()
	return nil
}

// Numbers of the fields in weir.proto.
const (
	fieldManifest = 1
	fieldID       = 1
	fieldRecords  = 2
)

func reply(stream grpc.ServerStream, text string) error {
	var question []byte
	if err := stream.RecvMsg(&question); err != nil {
		return err
	}
	return stream.SendMsg(protowire.AppendString(protowire.AppendTag(nil, fieldManifest, protowire.BytesType), text))
}

// calls answers frames that say nothing to it, and does what the others say.
func calls(stream grpc.ServerStream) error {
	for id := uint64(1); ; id++ {
		var question, records []byte
		if err := stream.RecvMsg(&question); err != nil {
			return err
		}
		_, text, _ := strings.Cut(strings.TrimRight(string(question), "\x00"), "do ")
		what, how, _ := strings.Cut(text, " ")
		n, _ := strconv.Atoi(how)
		switch what {
		case "status":
			return status.Error(codes.Code(n), "as asked\nstack")
		case "novel":
			return status.Error(codes.Aborted, strings.Repeat("\xff", n/4)+"\n"+strings.Repeat("s", n))
		case "hang":
			select {}
		case "long":
			records = make([]byte, n)
		}
		b := protowire.AppendVarint(protowire.AppendTag(nil, fieldID, protowire.VarintType), id)
		b = protowire.AppendBytes(protowire.AppendTag(b, fieldRecords, protowire.BytesType), records)
		if err := stream.SendMsg(b); err != nil {
			return err
		}
	}
}

// raw is a codec of messages that are bytes already.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func newCertificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	text, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{text}, PrivateKey: key}
}
