// gateways: two other REST gateways before the shop, to show that they read the same descriptor set and give the same
// JSON as Envoy: Vanguard, which takes the set itself, and grpc-gateway, whose handlers protoc makes of it. Prints
// NAME=host:port lines and stays.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	"connectrpc.com/vanguard"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // without its types grpc-gateway makes 500 of every error
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	checkoutv1 "unwind/protos/shop/checkout/v1"
	stockv1 "unwind/protos/shop/stock/v1"
)

// As envoy.yaml has it: a number that is 0 is printed, a message that is unset is not.
var marshal = protojson.MarshalOptions{EmitDefaultValues: true}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// A handler that passes gRPC on to address.
func proxyTo(address string) http.Handler {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	proxy := httputil.NewSingleHostReverseProxy(must(url.Parse("http://" + address)))
	proxy.Transport = &http.Transport{Protocols: protocols}
	return proxy
}

func vanguardOf(protoset, checkout, stock string) http.Handler {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(must(os.ReadFile(protoset)), &set); err != nil {
		log.Fatal(err)
	}
	files := must(protodesc.NewFiles(&set))
	service := func(name protoreflect.FullName, address string) *vanguard.Service {
		found := must(files.FindDescriptorByName(name)).(protoreflect.ServiceDescriptor)
		return vanguard.NewServiceWithSchema(found, proxyTo(address), vanguard.WithTargetProtocols(vanguard.ProtocolGRPC),
			vanguard.WithTargetCodecs(vanguard.CodecProto), vanguard.WithTypeResolver(dynamicpb.NewTypes(files)))
	}
	services := []*vanguard.Service{
		service("shop.checkout.v1.CheckoutService", checkout), service("shop.stock.v1.StockService", stock)}
	codec := func(types vanguard.TypeResolver) vanguard.Codec {
		options := marshal
		options.Resolver = types
		return vanguard.JSONCodec{MarshalOptions: options, UnmarshalOptions: protojson.UnmarshalOptions{Resolver: types}}
	}
	return must(vanguard.NewTranscoder(services, vanguard.WithCodec(codec)))
}

func grpcGatewayOf(checkout, stock string) http.Handler {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{MarshalOptions: marshal}),
		// It drops what it does not know: docs/REST.md.
		runtime.WithIncomingHeaderMatcher(func(name string) (string, bool) {
			return name, strings.EqualFold(name, "Idempotency-Key") || strings.EqualFold(name, "Traceparent")
		}))
	plain := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	for _, err := range []error{
		checkoutv1.RegisterCheckoutServiceHandlerFromEndpoint(context.Background(), mux, checkout, plain),
		stockv1.RegisterStockServiceHandlerFromEndpoint(context.Background(), mux, stock, plain)} {
		if err != nil {
			log.Fatal(err)
		}
	}
	return mux
}

func main() {
	protoset := flag.String("protoset", "", "unwind.protoset")
	checkout := flag.String("orchestrator", "", "host:port")
	stock := flag.String("stock_svc", "", "host:port")
	flag.Parse()
	ended := make(chan error)
	for name, handler := range map[string]http.Handler{
		"vanguard": vanguardOf(*protoset, *checkout, *stock), "grpc_gateway": grpcGatewayOf(*checkout, *stock)} {
		listener := must(net.Listen("tcp", "127.0.0.1:0"))
		fmt.Printf("%s=%s\n", name, listener.Addr())
		go func() { ended <- http.Serve(listener, handler) }()
	}
	os.Stdout.Close()
	log.Fatal(<-ended)
}
