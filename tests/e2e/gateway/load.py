"""The load test of the shop's specification: 1,000 buyers at once on 100 pieces, by gRPC (ghz) and by REST.

Three scenes each: all is well; 30 % of the cards are declined; the payment gateway is 5 s late for the first 8 s.
Prints what the buyers were told and how long it took, and audits the books. Exit 0 only if it is exact: as many paid as
there are pieces where all is well, as many sold as were told that they paid everywhere, every buyer answered in time,
and the audit holds.
"""

import argparse
import collections
import json
import subprocess
import sys
import threading

import crowd
import shop as front

MEMBERS, PIECES = 1000, 100
LIMIT_S = 30
LATE_S = 8
# Name, the faults at first, those after LATE_S.
SCENES = (("normal", {}, None), ("declined", {"fail_percent": 30, "seed": 7}, None), ("late", {"delay_ms": 5000}, {}))

Told = collections.namedtuple("Told", "outcomes seconds")


def by_rest(shop, product):
    bought = crowd.rush(shop.addresses["gateway"], product, MEMBERS, LIMIT_S)
    return Told(crowd.counts(bought), sorted(each.seconds for each in bought))


def by_grpc(shop, product, ghz):
    order = {
        "request_id": f"{product}-{{{{.RequestNumber}}}}",
        "member_id": "m{{.RequestNumber}}",
        "items": [{"product_id": product, "quantity": 1}],
        "payment_method": "PAYMENT_METHOD_CARD",
    }
    done = subprocess.run(
        [
            ghz,
            "--insecure",
            f"--protoset={front.FILES}/unwind.protoset",
            "--call=shop.checkout.v1.CheckoutService/PlaceOrder",
            f"--concurrency={MEMBERS}",
            f"--total={MEMBERS}",
            "--connections=8",
            f"--timeout={LIMIT_S}s",
            "--format=json",
            f"--data={json.dumps(order)}",
            shop.addresses["orchestrator"],
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    details = json.loads(done.stdout)["details"]
    outcomes = collections.Counter("PAID" if each["status"] == "OK" else each["status"] for each in details)
    return Told(dict(outcomes), sorted(each["latency"] / 1e9 for each in details))


def play(shop, name, product, order):
    """One scene; what was wrong with it."""
    _, faults, later = next(scene for scene in SCENES if scene[0] == name)
    shop.restock(product, PIECES)
    shop.scenario(**faults)
    recovery = threading.Timer(LATE_S, lambda: shop.scenario(**later)) if later is not None else None
    if recovery:
        recovery.start()
    told = order(product)
    if recovery:
        recovery.join()
    shop.scenario()
    shelf = shop.rpc("stock_svc", "/shop.stock.v1.StockService/GetProduct", {"product_id": product})
    paid = told.outcomes.get("PAID", 0)
    at = lambda share: told.seconds[min(len(told.seconds) - 1, int(share * len(told.seconds)))] * 1000
    print(
        f"  {name:9} p50 {at(0.5):6.0f} ms  p95 {at(0.95):6.0f}  p99 {at(0.99):6.0f}  longest {at(1):6.0f}   "
        + ", ".join(f"{count} {outcome}" for outcome, count in sorted(told.outcomes.items())),
        flush=True,
    )
    wrong = []
    if int(shelf["sold"]) != paid or int(shelf["reserved"]) != 0:
        wrong.append(f"{name}: {paid} were told that they paid; sold {shelf['sold']}, reserved {shelf['reserved']}")
    if name == "normal" and paid != PIECES:
        wrong.append(f"{name}: {paid} paid, not {PIECES}")
    if sum(told.outcomes.values()) != MEMBERS or told.seconds[-1] > LIMIT_S:
        wrong.append(f"{name}: not every buyer was answered within {LIMIT_S} s")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0], allow_abbrev=False)
    parser.add_argument("--ghz", required=True, help="the program ghz")
    options = parser.parse_args()
    wrong = []
    for title, order in (
        ("gRPC, ghz", lambda shop, product: by_grpc(shop, product, options.ghz)),
        ("REST, through Envoy", by_rest),
    ):
        shop = front.Shop()
        try:
            print(f"{title}: {MEMBERS} buyers at once on {PIECES} pieces", flush=True)
            for name, _, _ in SCENES:
                wrong += play(shop, name, f"poster-{name}", lambda product: order(shop, product))
            text, holds = shop.audit()
            print(text.splitlines()[-1])
            if not holds:
                wrong.append(f"{title}: the books do not agree:\n{text}")
        finally:
            shop.stop()
    if wrong:
        sys.exit("load: FAILED: " + "; ".join(wrong))
    print("Every scene is exact, and the books agree.")


if __name__ == "__main__":
    main()
