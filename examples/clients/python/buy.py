"""buy.py ADDRESS KEY PRODUCT PIECES [SECONDS]: buys, and asks again under KEY until it is known what became of the order.

Prints the order's id. Exit 1: refused, for the reason that it prints. Exit 2: not known within SECONDS (60).
"""

import random
import sys
import time

import grpc
from google.rpc import error_details_pb2, status_pb2

from shop.checkout.v1 import checkout_service_pb2 as checkout
from shop.checkout.v1 import checkout_service_pb2_grpc
from shop.type.v1 import line_item_pb2, payment_method_pb2

ATTEMPT_S = 10
PAUSE_S, PAUSE_MAX_S = 0.1, 5
# Nobody decided anything, or not yet.
ALWAYS = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
# With a reason they are the system's answer. Without one they are the connection's, and nothing is known.
WITHOUT_A_REASON = {
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}
# The order stands where it is until an operator has looked at it.
FOR_AN_OPERATOR = {"SAGA_QUARANTINED", "STORE_FAILED"}


def details_of(error):
    """The error's reason, or "", and how many seconds it asks to wait."""
    status = status_pb2.Status()
    status.ParseFromString(dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b""))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(retry)
    return info.reason, retry.retry_delay.ToTimedelta().total_seconds()


def buy(stub, order, seconds):
    end = time.monotonic() + seconds
    pause = PAUSE_S
    while True:
        try:
            return stub.PlaceOrder(order, timeout=min(ATTEMPT_S, max(0, end - time.monotonic())))
        except grpc.RpcError as error:
            reason, wait = details_of(error)
            is_open = error.code() in ALWAYS or reason in FOR_AN_OPERATOR
            if not is_open and (reason or error.code() not in WITHOUT_A_REASON):
                sys.exit(f"refused: {reason or error.code().name}: {error.details()}")
            print("not known yet:", reason or error.code().name, file=sys.stderr, flush=True)
        wait = max(wait, random.uniform(0, pause))
        if time.monotonic() + wait >= end:
            return None
        time.sleep(wait)
        pause = min(2 * pause, PAUSE_MAX_S)


def main(address, key, product, pieces, seconds="60"):
    # One key for the whole loop: chosen with the order, and kept, so that another process may go on.
    order = checkout.PlaceOrderRequest(
        request_id=key,
        member_id="mina",
        items=[line_item_pb2.LineItem(product_id=product, quantity=int(pieces))],
        payment_method=payment_method_pb2.PAYMENT_METHOD_CARD,
    )
    with grpc.insecure_channel(address, [("grpc.max_reconnect_backoff_ms", 1000 * PAUSE_MAX_S)]) as channel:
        placed = buy(checkout_service_pb2_grpc.CheckoutServiceStub(channel), order, float(seconds))
    if placed is None:
        print("not known: ask again, under the same key", file=sys.stderr)
        sys.exit(2)
    print(placed.order_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
