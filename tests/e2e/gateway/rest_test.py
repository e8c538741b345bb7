"""Every public method over REST, through the real Envoy: what it answers, and each error to the byte."""

import json
import re
import threading
import unittest

import poll
import shop as front

E = '{"@type":"type.googleapis.com/google.rpc.ErrorInfo",'
WITH_HEADER = {"X-Requested-With": "rest_test"}
shop = None


def setUpModule():
    global shop
    shop = front.Shop()
    shop.restock("desk", 50)
    shop.restock("rare", 50)
    shop.rpc(
        "order_svc",
        "/shop.order.v1.OrderService/SetPurchaseLimit",
        {"product_id": "rare", "one_per_member": True},
        [("idempotency-key", "limit-rare")],
    )


def tearDownModule():
    text, holds = shop.audit()
    shop.stop()
    assert holds, text


def error(code, message, details, bad_request=""):
    """A google.rpc.Status as the gateway prints it."""
    return f'{{"code":{code},"message":"{message}","details":[{bad_request}{E}{details}}}]}}'


class Case(unittest.TestCase):
    maxDiff = None

    def expect(self, answer, status, text):
        self.assertEqual((answer.status, front.without_ids(answer.text)), (status, text))
        self.assertEqual(answer.headers["content-type"], "application/json")

    def paid(self, key, product="desk", member="mina"):
        answer = shop.order(key, product, member=member)
        self.assertEqual(answer.status, 200, answer.text)
        return json.loads(answer.text)["orderId"]


class Methods(Case):
    """The JSON of each method is that of its gRPC answer."""

    def same(self, path, rpc, node, request, door="gateway"):
        answer = shop.rest("GET", path, door=door)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(json.loads(answer.text), shop.rpc(node, rpc, request))

    def test_an_order_is_placed_once_for_a_key_with_or_without_quotes(self):
        answer = shop.order("place-1", "desk", 2)
        self.expect(
            answer,
            200,
            '{"orderId":"ID","state":"STATE_PAID","total":{"minorUnits":"2000","currencyCode":"KRW"},'
            '"charged":{"minorUnits":"2000","currencyCode":"KRW"}}',
        )
        self.assertEqual(shop.order('"place-1"', "desk", 2).text, answer.text)
        self.assertEqual(answer.headers["saga-id"], json.loads(answer.text)["orderId"])
        again = shop.rpc(
            "orchestrator",
            "/shop.checkout.v1.CheckoutService/PlaceOrder",
            front.order_of("desk", 2),
            [("idempotency-key", "place-1")],
        )
        self.assertEqual(json.loads(answer.text), again)

    def test_reads_answer_the_resource_itself(self):
        order = self.paid("reads-1")
        orders, stock = "/shop.order.v1.OrderService/", "/shop.stock.v1.StockService/"
        self.same(f"/api/v1/orders/{order}", orders + "GetOrder", "order_svc", {"order_id": order})
        self.same(
            "/api/v1/orders?memberId=mina&state=STATE_PAID&pageSize=1",
            orders + "ListOrders",
            "order_svc",
            {"member_id": "mina", "state": "STATE_PAID", "page_size": 1},
        )
        self.same("/api/v1/products/rare", stock + "GetProduct", "stock_svc", {"product_id": "rare"})
        self.same("/api/v1/products?page_size=2", stock + "ListProducts", "stock_svc", {"page_size": 2})
        self.same(
            f"/api/v1/payments/{order}",
            "/shop.payment.v1.PaymentService/GetPayment",
            "payment_svc",
            {"payment_id": order},
        )

    def test_a_coupon_is_got_once_and_read(self):
        shop.campaign("spring", 2)
        coupons = "/shop.coupon.v1.CouponService/"
        path, key = "/api/v1/campaigns/spring/coupons", {"Idempotency-Key": "coupon-1"}
        issued = shop.rest("POST", path, {"memberId": "mina"}, key)
        self.assertEqual(issued.status, 200, issued.text)
        self.assertEqual(shop.rest("POST", path, {"memberId": "mina"}, key).text, issued.text)
        coupon = json.loads(issued.text)["coupon"]["couponId"]
        self.expect(
            shop.rest("POST", path, {"memberId": "mina"}, {"Idempotency-Key": "coupon-2"}),
            409,
            error(
                6,
                f"member mina has coupon {coupon} of campaign spring already",
                '"reason":"COUPON_ALREADY_ISSUED","domain":"coupon.shop.unwind",'
                f'"metadata":{{"campaign_id":"spring","coupon_id":"{coupon}"}}',
            ),
        )
        self.assertEqual(shop.rest("POST", path, {"memberId": "jun"}, {"Idempotency-Key": "coupon-3"}).status, 200)
        late = shop.rest("POST", path, {"memberId": "sol"}, {"Idempotency-Key": "coupon-4"})
        self.assertEqual((late.status, json.loads(late.text)["details"][0]["reason"]), (400, "COUPONS_EXHAUSTED"))
        self.same(f"/api/v1/coupons/{coupon}", coupons + "GetCoupon", "coupon_svc", {"coupon_id": coupon})
        self.same(
            "/api/v1/coupons?memberId=mina&state=STATE_AVAILABLE",
            coupons + "ListCoupons",
            "coupon_svc",
            {"member_id": "mina", "state": "STATE_AVAILABLE"},
        )
        self.same("/api/v1/campaigns/spring", coupons + "GetCampaign", "coupon_svc", {"campaign_id": "spring"})

    def test_a_wallet_is_read(self):
        wallets = "/shop.wallet.v1.WalletService/"
        self.same("/api/v1/wallets/mina", wallets + "GetWallet", "wallet_svc", {"member_id": "mina"})
        self.same(
            "/api/v1/wallets/mina/entries?pageSize=1",
            wallets + "ListEntries",
            "wallet_svc",
            {"member_id": "mina", "page_size": 1},
        )

    def test_operators_read_sagas(self):
        saga = self.paid("sagas-1")
        sagas, node, door = "/saga.v1.SagaService/", "orchestrator_admin", "gateway_admin"
        self.same(f"/api/v1/sagas/{saga}", sagas + "GetSaga", node, {"saga_id": saga}, door)
        self.same(
            "/api/v1/sagas:find?definition=place-order&key=sagas-1",
            sagas + "GetSaga",
            node,
            {"definition": "place-order", "key": "sagas-1"},
            door,
        )
        self.same(
            "/api/v1/sagas?definition=place-order&state=STATE_COMPLETED&pageSize=2",
            sagas + "ListSagas",
            node,
            {"definition": "place-order", "state": "STATE_COMPLETED", "page_size": 2},
            door,
        )
        self.same(f"/api/v1/sagas/{saga}/history", sagas + "GetHistory", node, {"saga_id": saga}, door)

    def test_operators_verbs_reach_the_saga(self):
        saga = self.paid("verbs-1")
        answer = shop.rest("POST", f"/api/v1/sagas/{saga}:cancel", {}, WITH_HEADER, "gateway_admin")
        self.assertEqual(json.loads(answer.text)["saga"]["state"], "STATE_COMPLETED")
        refused = error(
            9,
            "step charge of saga ID (completed) is neither parked nor repeated nor waiting; see `parked`, `last_failure` "
            "and `state` in GetSaga",
            '"reason":"STEP_NOT_PARKED","domain":"saga.unwind","metadata":{"saga_id":"ID","step":"charge"}',
        )
        for verb in ("retry", "skip", "resolve"):
            with self.subTest(verb):
                self.expect(
                    shop.rest(
                        "POST",
                        f"/api/v1/sagas/{saga}/steps/charge:{verb}",
                        {"actor": "kim", "reason": "to see"},
                        WITH_HEADER,
                        "gateway_admin",
                    ),
                    400,
                    refused,
                )

    def test_operators_pause_a_definition_and_buyers_are_told(self):
        order = self.paid("paused-1")

        def ask(verb, name, body):
            path = f"/api/v1/definitions/{name}:{verb}"
            return shop.rest("POST", path, body, WITH_HEADER, "gateway_admin")

        paused = ask("pause", "place-order", {"actor": "kim", "reason": "orders are taken again at ten"})
        self.assertEqual(json.loads(paused.text)["pause"]["actor"], "kim", paused.text)
        try:
            self.expect(
                shop.order("paused-2", "desk"),
                503,
                error(
                    14,
                    "place-order is paused, and nothing was started: orders are taken again at ten",
                    '"reason":"DEFINITION_PAUSED","domain":"saga.unwind","metadata":{"definition":"place-order",'
                    '"pause_reason":"orders are taken again at ten"}},'
                    '{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"30s"',
                ),
            )
            self.assertEqual(self.paid("paused-1"), order)
            definitions = shop.rest("GET", "/api/v1/definitions", door="gateway_admin")
            paused = {each["name"] for each in json.loads(definitions.text)["definitions"] if "pause" in each}
            self.assertEqual(paused, {"place-order"})
        finally:
            self.assertEqual(ask("resume", "place-order", {"actor": "kim"}).status, 200)
        self.paid("paused-2")
        self.expect(
            ask("pause", "plac-order", {"actor": "kim", "reason": "why"}),
            404,
            error(
                5,
                "name: there is no definition plac-order; ListDefinitions names those that there are",
                '"reason":"DEFINITION_NOT_FOUND","domain":"saga.unwind","metadata":{"name":"plac-order"}',
            ),
        )

    def test_an_order_is_cancelled(self):
        order = self.paid("cancel-1")
        path, body = f"/api/v1/orders/{order}:cancel", {"memberId": "mina", "reason": "changed my mind"}
        self.expect(
            shop.rest("POST", path, body, {"Idempotency-Key": "cancel-1a"}),
            200,
            '{"orderId":"ID","state":"STATE_CANCELLED","refunded":{"minorUnits":"1000","currencyCode":"KRW"}}',
        )
        self.expect(
            shop.rest("POST", path, body, {"Idempotency-Key": "cancel-1b"}),
            400,
            error(
                9,
                "order ID is CANCELLED; it must be PAID",
                '"reason":"ORDER_NOT_CANCELLABLE","domain":"order.shop.unwind","metadata":'
                '{"order_id":"ID","saga_id":"ID","state":"CANCELLED","step":"start_cancel"}',
            ),
        )


class Carts(Case):
    def change(self, path, body, key):
        return shop.rest("POST", f"/api/v1/carts/{path}", body, {"Idempotency-Key": key} if key else {})

    def lines(self, member):
        answer = shop.rest("GET", f"/api/v1/carts/{member}")
        self.assertEqual(answer.status, 200, answer.text)
        return [(each["productId"], each["quantity"]) for each in json.loads(answer.text)["lines"]]

    def test_a_cart_is_filled_changed_and_emptied(self):
        self.expect(self.change("c-1/lines", {"productId": "desk", "quantity": 2}, "cart-1a"), 200, '{"quantity":2}')
        self.expect(self.change("c-1/lines", {"productId": "desk", "quantity": 2}, "cart-1a"), 200, '{"quantity":2}')
        self.expect(self.change("c-1/lines", {"productId": "rare", "quantity": 1}, "cart-1b"), 200, '{"quantity":1}')
        self.expect(self.change("c-1/lines/desk:change", {"quantity": 7}, "cart-1c"), 200, "{}")
        self.assertEqual(self.lines("c-1"), [("desk", 7), ("rare", 1)])
        self.expect(self.change("c-1/lines/desk:remove", {}, "cart-1d"), 200, "{}")
        listed = shop.rpc("order_svc", "/shop.order.v1.CartService/ListCart", {"member_id": "c-1"})
        self.assertEqual(json.loads(shop.rest("GET", "/api/v1/carts/c-1").text), listed)
        self.assertEqual(self.lines("c-1"), [("rare", 1)])

    def test_what_is_wrong_with_a_line(self):
        answer = self.change("c-2/lines", {"productId": "desk", "quantity": 1001}, "cart-2a")
        self.assertEqual((answer.status, json.loads(answer.text)["details"][0]["fieldViolations"][0]["field"]), (400, "quantity"))
        self.expect(
            self.change("c-2/lines", {"productId": "desk", "quantity": 1}, None),
            400,
            error(
                3,
                "metadata idempotency-key is missing: send an idempotency-key that names this call and its repeats, or, "
                "as a saga's step, saga-id, saga-step, saga-phase and saga-kind",
                '"reason":"METADATA_MISSING","domain":"order.shop.unwind","metadata":{"name":"idempotency-key"}',
            ),
        )
        self.expect(
            self.change("c-2/lines/desk:change", {"quantity": 1}, "cart-2b"),
            404,
            error(
                5,
                "product desk is not in the cart; add it with AddItem",
                '"reason":"CART_LINE_NOT_FOUND","domain":"order.shop.unwind","metadata":{"product_id":"desk"}',
            ),
        )

    def test_of_an_unknown_product_the_buyer_is_told_when_it_is_ordered(self):
        for product in ("desk", "sofa"):
            self.assertEqual(self.change("c-3/lines", {"productId": product, "quantity": 1}, f"cart-3-{product}").status, 200)
        order = front.order_of("desk", 1, "c-3")
        order["items"].append({"productId": "sofa", "quantity": 1})
        answer = shop.rest("POST", "/api/v1/orders", order, {"Idempotency-Key": "cart-3"})
        [info] = json.loads(answer.text)["details"]
        self.assertEqual((answer.status, info["reason"]), (404, "PRODUCT_NOT_FOUND"))
        self.assertEqual(info["metadata"]["product_id"], "sofa")
        self.assertEqual(self.lines("c-3"), [("desk", 1), ("sofa", 1)])

    def test_a_member_reads_what_it_was_told(self):
        told = {"order_id": "told-1", "kind": "KIND_POINTS_EARNED", "member_id": "c-4", "points": "15"}
        shop.rpc("order_svc", "/shop.order.v1.NotificationService/Notify", told, [("idempotency-key", "told-1")])
        answer = shop.rest("GET", "/api/v1/notifications?memberId=c-4&pageSize=5")
        request = {"member_id": "c-4", "page_size": 5}
        listed = shop.rpc("order_svc", "/shop.order.v1.NotificationService/ListNotifications", request)
        self.assertEqual(json.loads(answer.text), listed)
        self.assertEqual(listed["notifications"][0]["points"], "15")


class Errors(Case):
    def tearDown(self):
        shop.scenario()

    def test_product_not_found(self):
        self.expect(
            shop.order("e-1", "sofa"),
            404,
            error(
                5,
                "there is no product sofa",
                '"reason":"PRODUCT_NOT_FOUND","domain":"stock.shop.unwind","metadata":'
                '{"product_id":"sofa","saga_id":"ID","step":"reserve_stock"}',
            ),
        )

    def test_stock_not_enough(self):
        shop.restock("stool", 1)
        self.expect(
            shop.order("e-2", "stool", 100),
            409,
            error(
                10,
                "product stool has 1 left, 100 were asked for",
                '"reason":"STOCK_NOT_ENOUGH","domain":"stock.shop.unwind","metadata":'
                '{"available":"1","product_id":"stool","requested":"100","saga_id":"ID","step":"reserve_stock"}',
            ),
        )

    def test_order_already_exists(self):
        self.paid("e-3", "rare", "jun")
        self.expect(
            shop.order("e-4", "rare", member="jun"),
            409,
            error(
                6,
                "product rare is limited to one order per member, and member jun has order ID",
                '"reason":"ORDER_ALREADY_EXISTS","domain":"order.shop.unwind","metadata":'
                '{"blocking_order_id":"ID","product_id":"rare","saga_id":"ID","step":"create_order"}',
            ),
        )

    def test_payment_failed(self):
        shop.scenario(fail_percent=100)
        self.expect(
            shop.order("e-5", "desk"),
            500,
            error(
                13,
                "the payment was declined (CARD_DECLINED); you have not been charged",
                '"reason":"PAYMENT_FAILED","domain":"payment.shop.unwind","metadata":'
                '{"payment_id":"ID","pg_reason":"CARD_DECLINED","saga_id":"ID","step":"charge"}',
            ),
        )

    def test_payment_timeout(self):
        shop.scenario(delay_ms=600000)
        answers = []
        buyer = threading.Thread(target=lambda: answers.append(shop.order("e-6", "desk")))
        buyer.start()
        find = "/api/v1/sagas:find?definition=place-order&key=e-6"
        poll.eventually(lambda: '"reason":"GATEWAY_UNKNOWN"' in shop.rest("GET", find, door="gateway_admin").text)
        shop.scenario()  # its charge is still on the way, and is fenced
        buyer.join()
        self.expect(
            answers[0],
            504,
            error(
                4,
                "the payment was not completed in time; you have not been charged",
                '"reason":"PAYMENT_TIMEOUT","domain":"payment.shop.unwind","metadata":'
                '{"payment_id":"ID","saga_id":"ID","step":"charge"}',
            ),
        )

    def test_who_will_not_wait_longer_is_told_that_the_saga_goes_on(self):
        shop.scenario(delay_ms=600000)
        answer = shop.rest(
            "POST", "/api/v1/orders", front.order_of("desk"), {"Idempotency-Key": "e-7", "grpc-timeout": "3S"}
        )
        self.assertEqual(answer.status, 503)
        self.assertRegex(
            front.without_ids(answer.text),
            re.escape(
                error(
                    14,
                    "saga ID is running; repeat the call with the same key to wait on",
                    '"reason":"SAGA_RUNNING","domain":"saga.unwind","metadata":{"direction":"FORWARD","saga_id":"ID"}},'
                    '{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.PAUSEs"',
                )
            ).replace("PAUSE", r"\d{3}"),
        )
        shop.scenario()
        self.assertEqual(shop.order("e-7", "desk").status, 504)

    def test_what_is_not_there(self):
        for path, door, reason in (
            ("orders/none", "gateway", "ORDER_NOT_FOUND"),
            ("payments/none", "gateway", "PAYMENT_NOT_FOUND"),
            ("products/none", "gateway", "PRODUCT_NOT_FOUND"),
            ("sagas/none", "gateway_admin", "SAGA_NOT_FOUND"),
        ):
            with self.subTest(path):
                answer = shop.rest("GET", f"/api/v1/{path}", door=door)
                self.assertEqual(answer.status, 404)
                self.assertEqual(json.loads(answer.text)["details"][0]["reason"], reason)

    def test_keys(self):
        order = front.order_of("desk")
        violation = (
            '{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"request_id",'
            '"description":"must be set: a call that is repeated with the same key has one effect",'
            '"reason":""}]},'
        )
        self.expect(
            shop.rest("POST", "/api/v1/orders", order),
            400,
            error(
                3,
                "an idempotency key is required: set request_id, or metadata idempotency-key",
                '"reason":"KEY_MISSING","domain":"saga.unwind","metadata":{}',
                violation,
            ),
        )
        self.paid("e-8")
        self.expect(
            shop.order("e-8", "desk", 3),
            400,
            error(
                3,
                "the idempotency key was used before with another request; use a new key for a new request",
                '"reason":"KEY_REUSED","domain":"saga.unwind","metadata":{}',
            ),
        )

    def test_every_bad_field_is_named(self):
        answer = shop.rest("POST", "/api/v1/orders", {"requestId": "e-9", "items": [{"quantity": 1001}]})
        self.assertEqual(answer.status, 400)
        fields = [each["field"] for each in json.loads(answer.text)["details"][0]["fieldViolations"]]
        self.assertEqual(fields, ["member_id", "items[0].product_id", "items[0].quantity", "payment_method"])


if __name__ == "__main__":
    front.main()
