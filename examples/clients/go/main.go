// buy ADDRESS KEY PRODUCT PIECES [SECONDS]: buys, and asks again under KEY until it is known what became of the order.
// Prints the order's id. Exit 1: refused, for the reason that it prints. Exit 2: not known within SECONDS (60).
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	checkoutv1 "unwind/protos/shop/checkout/v1"
	typev1 "unwind/protos/shop/type/v1"
)

const (
	attempt  = 10 * time.Second
	pauseMin = 100 * time.Millisecond
	pauseMax = 5 * time.Second
)

// Whether nothing is known, or not yet. With a reason most codes are the system's answer, without one the connection's.
func isOpen(code codes.Code, reason string) bool {
	switch code {
	case codes.Unavailable, codes.ResourceExhausted:
		return true
	case codes.DeadlineExceeded, codes.Canceled, codes.Internal, codes.Unknown:
		return reason == "" || reason == "SAGA_QUARANTINED" || reason == "STORE_FAILED" // an operator must look at these two
	}
	return false
}

// The error's reason, or "", and how long it asks to wait.
func detailsOf(told *status.Status) (reason string, wait time.Duration) {
	for _, detail := range told.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = detail.Reason
		case *errdetails.RetryInfo:
			wait = detail.RetryDelay.AsDuration()
		}
	}
	return reason, wait
}

// The order, or the last error and whether it is final.
func buy(ctx context.Context, stub checkoutv1.CheckoutServiceClient, order *checkoutv1.PlaceOrderRequest) (string, error, bool) {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		once, cancel := context.WithTimeout(ctx, attempt)
		placed, err := stub.PlaceOrder(once, order)
		cancel()
		if err == nil {
			return placed.OrderId, nil, true
		}
		told := status.Convert(err)
		reason, wait := detailsOf(told)
		if !isOpen(told.Code(), reason) {
			return "", fmt.Errorf("%s %s", reason, told), true
		}
		fmt.Fprintln(os.Stderr, "not known yet:", reason, told.Code())
		select {
		case <-ctx.Done():
			return "", err, false
		case <-time.After(max(wait, rand.N(pause))):
		}
	}
}

func main() {
	seconds := 60.0
	if len(os.Args) > 5 {
		seconds, _ = strconv.ParseFloat(os.Args[5], 64)
	}
	pieces, _ := strconv.Atoi(os.Args[4])
	// One key for the whole loop: chosen with the order, and kept, so that another process may go on.
	order := &checkoutv1.PlaceOrderRequest{
		RequestId: os.Args[2], MemberId: "mina", PaymentMethod: typev1.PaymentMethod_PAYMENT_METHOD_CARD,
		Items: []*typev1.LineItem{{ProductId: os.Args[3], Quantity: int32(pieces)}},
	}
	reconnect := grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: pauseMin, Multiplier: 2, Jitter: 0.2, MaxDelay: pauseMax}}
	channel, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(reconnect))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds*float64(time.Second)))
	defer cancel()
	id, err, known := buy(ctx, checkoutv1.NewCheckoutServiceClient(channel), order)
	switch {
	case err == nil:
		fmt.Println(id)
	case known:
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "not known: ask again, under the same key")
		os.Exit(2)
	}
}
