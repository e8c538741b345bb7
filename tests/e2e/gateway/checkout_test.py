"""Checkouts and charged wallets by REST, through the real Envoy: who pays how, what is refused, and the payment gateway's
webhook, whose body must come through to the byte."""

import hashlib
import hmac
import json
import time
import unittest

import poll
import shop as front

shop = None


def setUpModule():
    global shop
    shop = front.Shop()
    shop.restock("desk", 50)


def tearDownModule():
    text, holds = shop.audit()
    shop.stop()
    assert holds, text


def checkout_of(product, member="mina", **more):
    return {"memberId": member, "items": [{"productId": product, "quantity": 1}], **more}


def pay(payment, key, member="mina", method="PAYMENT_METHOD_CARD"):
    body = {"memberId": member, "method": method}
    return shop.rest("POST", f"/api/v1/payments/{payment}:pay", body, {"Idempotency-Key": key})


def charge(key, amount, member="mina"):
    body = {"amountMinorUnits": amount, "currencyCode": "KRW", "paymentMethod": "PAYMENT_METHOD_CARD"}
    return shop.rest("POST", f"/api/v1/wallets/{member}:charge", body, {"Idempotency-Key": key})


class Case(unittest.TestCase):
    maxDiff = None

    def tearDown(self):
        shop.scenario()

    def ok(self, answer):
        self.assertEqual(answer.status, 200, answer.text)
        return json.loads(answer.text)

    def refused(self, answer, status, reason):
        self.assertEqual((answer.status, json.loads(answer.text)["details"][-1]["reason"]), (status, reason), answer.text)
        self.assertTrue(json.loads(answer.text)["message"])

    def begun(self, key, **more):
        return self.ok(shop.rest("POST", "/api/v1/checkouts", checkout_of("desk", **more), {"Idempotency-Key": key}))

    def ends_paid(self, key, order, **more):
        """The wait is hastened as an operator may."""

        def ended():
            shop.rest(
                "POST",
                f"/api/v1/sagas/{order}/steps/collect:retry",
                {"actor": "kim", "reason": "to see"},
                {"X-Requested-With": "checkout_test"},
                "gateway_admin",
            )
            return self.begun(key, **more)["paymentState"] == "STATE_SUCCESS"

        poll.eventually(ended)
        poll.eventually(lambda: self.ok(shop.rest("GET", f"/api/v1/orders/{order}"))["state"] == "STATE_PAID")


class Checkout(Case):
    def test_it_is_told_where_to_pay_and_paid_there(self):
        told = self.begun("pay-1")
        order = told["orderId"]
        until = told.pop("payUntil")
        money = {"minorUnits": "1000", "currencyCode": "KRW"}
        path = f"/api/v1/payments/{order}:pay"
        state = "STATE_PENDING"
        self.assertEqual(
            told,
            {"orderId": order, "paymentState": state, "total": money, "due": money, "paymentId": order, "payPath": path},
        )
        payment = self.ok(shop.rest("GET", f"/api/v1/payments/{order}"))
        self.assertEqual((payment["state"], payment["waitUntil"]), (state, until))
        answer = shop.rest(
            "POST", path, {"memberId": "mina", "method": "PAYMENT_METHOD_CARD"}, {"Idempotency-Key": "pay-1a"}
        )
        self.assertEqual(self.ok(answer), {"paymentId": order, "state": "STATE_SUCCESS", "number": 1})
        self.ends_paid("pay-1", order)
        again = {**self.begun("pay-1"), "payUntil": ""}
        self.assertEqual(again, {**told, "paymentState": "STATE_SUCCESS", "payUntil": ""})
        by_grpc = shop.rpc(
            "orchestrator",
            "/shop.checkout.v1.CheckoutService/Checkout",
            checkout_of("desk"),
            [("idempotency-key", "pay-1")],
        )
        self.assertEqual(by_grpc["orderId"], order)

    def test_each_refusal_has_its_status_and_its_reason(self):
        shop.scenario(fail_first=1)
        order = self.begun("pay-2")["orderId"]
        self.refused(pay(order, "pay-2a"), 409, "PAYMENT_DECLINED")
        self.refused(pay(order, "pay-2b", member="jun"), 404, "PAYMENT_NOT_FOUND")
        self.assertEqual(self.ok(pay(order, "pay-2c"))["number"], 2)
        self.refused(pay(order, "pay-2d"), 409, "PAYMENT_ALREADY_PAID")
        self.ends_paid("pay-2", order)

    def test_what_cannot_be_held_is_refused_and_nothing_waits(self):
        def ask(key, **more):
            body = checkout_of("desk", member="nora", **more)  # who has bought nothing, and so has no points
            return shop.rest("POST", "/api/v1/checkouts", body, {"Idempotency-Key": key})

        won = {"minorUnits": "5", "currencyCode": "KRW"}
        self.refused(ask("bad-1", couponId="none"), 404, "COUPON_NOT_FOUND")
        self.refused(ask("bad-2", wallet={"points": won}), 409, "POINTS_NOT_ENOUGH")
        self.refused(ask("bad-3", wallet={"balance": won}), 409, "BALANCE_NOT_ENOUGH")
        self.refused(shop.rest("POST", "/api/v1/checkouts", checkout_of("desk")), 400, "KEY_MISSING")
        self.refused(shop.rest("POST", "/api/v1/checkouts", {}, {"Idempotency-Key": "bad-4"}), 400, "INVALID_REQUEST")


class Wallet(Case):
    def test_it_is_charged_once_and_pays(self):
        charged = self.ok(charge("charge-1", "400"))
        self.assertEqual(charged["balance"], {"minorUnits": "400", "currencyCode": "KRW"})
        self.assertEqual(self.ok(charge("charge-1", "400")), charged)
        won = {"minorUnits": "400", "currencyCode": "KRW"}
        order = self.begun("split-1", wallet={"balance": won})
        self.assertEqual(order["due"]["minorUnits"], "600")
        self.ok(pay(order["orderId"], "split-1a"))
        self.ends_paid("split-1", order["orderId"], wallet={"balance": won})

    def test_what_it_refuses(self):
        self.refused(charge("charge-2", 0), 400, "INVALID_REQUEST")
        shop.scenario(fail_first=1)
        self.refused(charge("charge-3", 1), 500, "PAYMENT_FAILED")


class Webhook(Case):
    def end_of(self, order):
        """The gateway's own word on the order's first attempt, once it has one, as its webhook would say it."""

        def ended():
            page = shop.rpc("mock_pg", "/pg.v1.PaymentGateway/ListTransactions", {"page_size": 1000})
            return [each for each in page["transactions"] if each["idempotencyKey"] == f"pay-1-{order}"]

        [transaction] = poll.eventually(ended)
        event = {"eventId": f"evt-{order}", "transaction": transaction, "createTime": transaction["createTime"]}
        return json.dumps(event, indent=1).encode()  # as no gRPC gateway would write it

    def send(self, body, signed=None):
        seconds = int(time.time())
        secret = (shop.scratch / "webhook.secret").read_bytes().strip()
        digest = hmac.new(secret, b"%d." % seconds + (signed or body), hashlib.sha256).hexdigest()
        headers = {"pg-signature": f"t={seconds},v1={digest}", "content-type": "application/json"}
        return shop.rest("POST", "/webhook/payment", body, headers)

    def test_it_pays_what_waits_and_a_forged_one_does_not(self):
        # Later than the test takes to send its own; payment_svc asks by itself only after two seconds.
        shop.scenario(async_percent=100, webhook_lost_percent=100)
        order = self.begun("hook-1")["orderId"]
        self.assertEqual(self.ok(pay(order, "hook-1a"))["state"], "STATE_PENDING")
        body = self.end_of(order)
        self.refused(self.send(body, signed=body.replace(b"\n", b"")), 401, "SIGNATURE_INVALID")
        self.ok(self.send(body))
        self.assertEqual(self.ok(shop.rest("GET", f"/api/v1/payments/{order}"))["state"], "STATE_SUCCESS")
        self.ok(self.send(body))
        self.ends_paid("hook-1", order)


if __name__ == "__main__":
    front.main()
