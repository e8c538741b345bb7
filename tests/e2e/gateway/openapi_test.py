"""The OpenAPI documents: served, true of what the shop answers, and naming what the protos name."""

import json
import re
import unittest

import shop as front

shop = None


def setUpModule():
    global shop
    shop = front.Shop()
    shop.restock("desk", 10)
    shop.campaign("spring")
    shop.charge("mina", 5000)


def tearDownModule():
    shop.stop()


class Documents(unittest.TestCase):
    def document(self, door="gateway"):
        answer = shop.rest("GET", "/openapi.json", door=door)
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        return json.loads(answer.text)

    def check(self, schema, value, document, place="answer"):
        """`value` is of `schema`: as much of JSON Schema as the documents use for answers."""
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for part in schema.get("allOf", ()):
            self.check(part, value, document, place)
        if "anyOf" in schema:
            kinds = [each for each in schema["anyOf"] if value["@type"] in each["properties"]["@type"]["enum"]]
            self.assertEqual(len(kinds), 1, f"{place}: {value}")
            self.check(kinds[0], value, document, place)
        kind = schema.get("type")
        types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
        if kind is not None:
            self.assertIsInstance(value, types[kind], place)
        if kind == "object" and "properties" in schema:
            self.assertLessEqual(set(schema.get("required", ())), set(value), place)
            self.assertLessEqual(set(value), set(schema["properties"]), place)
            for name, each in value.items():
                self.check(schema["properties"][name], each, document, f"{place}.{name}")
        if kind == "array":
            for each in value:
                self.check(schema["items"], each, document, place + "[]")
        if "enum" in schema:
            self.assertIn(value, schema["enum"], place)
        if "pattern" in schema:
            self.assertRegex(value, schema["pattern"], place)

    def answers_as_told(self, document, path, template, method="GET", body=None, headers=None, door="gateway"):
        answer = shop.rest(method, path, body, headers, door)
        told = document["paths"][template][method.lower()]["responses"]
        self.assertIn(str(answer.status), told, answer.text)
        value = json.loads(answer.text)
        self.check(told[str(answer.status)]["content"]["application/json"]["schema"], value, document)
        reasons = [each["reason"] for each in value.get("details", ()) if "reason" in each]
        for reason in reasons:
            self.assertIn(reason, told[str(answer.status)]["x-reasons"])
        return value

    def test_what_is_answered_is_what_is_documented(self):
        document = self.document()
        order = self.answers_as_told(
            document, "/api/v1/orders", "/api/v1/orders", "POST", front.order_of("desk"), {"Idempotency-Key": "doc-1"}
        )["orderId"]
        self.answers_as_told(
            document,
            "/api/v1/orders",
            "/api/v1/orders",
            "POST",
            front.order_of("desk", 500),
            {"Idempotency-Key": "doc-2"},
        )
        self.answers_as_told(document, "/api/v1/orders", "/api/v1/orders", "POST", {})
        self.answers_as_told(document, "/api/v1/orders", "/api/v1/orders")
        self.answers_as_told(document, "/api/v1/products", "/api/v1/products")
        for path in ("orders", "payments"):
            template = f"/api/v1/{path}/{{{path[:-1]}Id}}"
            self.answers_as_told(document, f"/api/v1/{path}/{order}", template)
            self.answers_as_told(document, f"/api/v1/{path}/none", template)
        self.answers_as_told(
            document,
            f"/api/v1/orders/{order}:cancel",
            "/api/v1/orders/{orderId}:cancel",
            "POST",
            {"memberId": "mina"},
            {"Idempotency-Key": "doc-3"},
        )
        lines = "/api/v1/carts/{memberId}/lines"
        line = {"productId": "desk", "quantity": 1}
        self.answers_as_told(document, "/api/v1/carts/m/lines", lines, "POST", line, {"Idempotency-Key": "doc-5"})
        self.answers_as_told(document, "/api/v1/carts/m/lines", lines, "POST", line)
        self.answers_as_told(document, "/api/v1/carts/m", "/api/v1/carts/{memberId}")
        told = {"order_id": order, "kind": "KIND_PAYMENT_EXPIRED", "member_id": "m"}
        shop.rpc("order_svc", "/shop.order.v1.NotificationService/Notify", told, [("idempotency-key", "doc-6")])
        self.answers_as_told(document, "/api/v1/notifications?memberId=m", "/api/v1/notifications")
        issue = "/api/v1/campaigns/{campaignId}/coupons"
        self.answers_as_told(document, "/api/v1/campaigns/none/coupons", issue, "POST", {"memberId": "mina"})
        self.answers_as_told(
            document, "/api/v1/campaigns/spring/coupons", issue, "POST", {"memberId": "mina"}, {"Idempotency-Key": "doc-4"}
        )
        for path, template in (
            ("/api/v1/campaigns/spring", "/api/v1/campaigns/{campaignId}"),
            ("/api/v1/coupons?memberId=mina", "/api/v1/coupons"),
            ("/api/v1/coupons/none", "/api/v1/coupons/{couponId}"),
            ("/api/v1/wallets/mina", "/api/v1/wallets/{memberId}"),
            ("/api/v1/wallets/mina/entries", "/api/v1/wallets/{memberId}/entries"),
        ):
            self.answers_as_told(document, path, template)
        pay, by_card = "/api/v1/payments/{paymentId}:pay", {"memberId": "mina", "method": "PAYMENT_METHOD_CARD"}
        self.answers_as_told(document, "/api/v1/payments/none:pay", pay, "POST", by_card)
        self.answers_as_told(
            document, "/api/v1/payments/none:pay", pay, "POST", by_card, {"Idempotency-Key": "doc-7"}
        )
        self.answers_as_told(document, "/webhook/payment", "/webhook/payment", "POST", {})
        sagas = self.document("gateway_admin")
        for path, template in (
            ("/api/v1/sagas", "/api/v1/sagas"),
            (f"/api/v1/sagas/{order}", "/api/v1/sagas/{sagaId}"),
            ("/api/v1/sagas/none", "/api/v1/sagas/{sagaId}"),
            (f"/api/v1/sagas/{order}/history", "/api/v1/sagas/{sagaId}/history"),
        ):
            self.answers_as_told(sagas, path, template, door="gateway_admin")

    def test_an_order_has_its_limits(self):
        operation = self.document()["paths"]["/api/v1/orders"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        self.assertEqual(body["required"], ["memberId", "items", "paymentMethod"])
        self.assertEqual(body["properties"]["memberId"]["pattern"], "^[A-Za-z0-9_-]{1,64}$")
        items = body["properties"]["items"]
        self.assertEqual((items["minItems"], items["maxItems"], items["x-unique-by"]), (1, 100, "productId"))
        self.assertNotIn("PAYMENT_METHOD_UNSPECIFIED", body["properties"]["paymentMethod"]["enum"])
        line = self.document()["components"]["schemas"]["shop.type.v1.LineItem"]
        self.assertEqual(line["properties"]["quantity"]["maximum"], 1000)
        self.assertEqual(line["required"], ["productId", "quantity"])
        self.assertEqual([each["name"] for each in operation["parameters"]], ["Idempotency-Key"])

    def test_a_carts_change_has_its_key_in_a_header_and_its_names_in_the_path(self):
        path = "/api/v1/carts/{memberId}/lines/{productId}:change"
        operation = self.document()["paths"][path]["post"]
        names = [(each["name"], each["in"], each["required"]) for each in operation["parameters"]]
        self.assertEqual(names, [("memberId", "path", True), ("productId", "path", True), ("Idempotency-Key", "header", True)])
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        self.assertEqual((list(body["properties"]), body["required"]), (["quantity"], ["quantity"]))
        self.assertEqual(operation["responses"]["404"]["x-reasons"], ["CART_LINE_NOT_FOUND"])
        self.answers_as_told(
            self.document(), "/api/v1/carts/doc/lines/desk:change", path, "POST", {"quantity": 1}, {"Idempotency-Key": "doc-4"}
        )

    def test_what_no_saga_does_needs_its_key_in_the_header(self):
        operation = self.document()["paths"]["/api/v1/campaigns/{campaignId}/coupons"]["post"]
        self.assertEqual([(each["name"], each["required"]) for each in operation["parameters"]],
                         [("campaignId", True), ("Idempotency-Key", True)])
        self.assertNotIn('"', operation["parameters"][1]["schema"]["pattern"])

    def test_the_errors_of_an_order_are_all_there(self):
        responses = self.document()["paths"]["/api/v1/orders"]["post"]["responses"]
        self.assertEqual(
            {status: each["x-reasons"] for status, each in responses.items() if "x-reasons" in each},
            {
                "400": ["INVALID_REQUEST", "KEY_MISSING", "KEY_REUSED", "MESSAGE_TOO_LARGE"],
                "404": ["PRODUCT_NOT_FOUND", "COUPON_NOT_FOUND"],
                "409": [
                    "STOCK_NOT_ENOUGH",
                    "COUPON_NOT_USABLE",
                    "POINTS_NOT_ENOUGH",
                    "BALANCE_NOT_ENOUGH",
                    "ORDER_ALREADY_EXISTS",
                    "SAGA_DEADLINE",
                    "STEP_FAILED",
                ],
                "429": ["OVERLOADED"],
                "499": ["SAGA_CANCELLED"],
                "500": ["PAYMENT_FAILED"],
                "503": ["SAGA_RUNNING", "STORE_UNAVAILABLE", "DEFINITION_PAUSED"],
                "504": ["PAYMENT_TIMEOUT"],
            },
        )

    def test_everything_is_described(self):
        for door in ("gateway", "gateway_admin"):
            document = self.document(door)
            for path, methods in document["paths"].items():
                for verb, operation in methods.items():
                    place = f"{verb} {path}"
                    self.assertNotEqual(operation["summary"], "", place)
                    self.assertEqual(
                        [p["name"] for p in operation["parameters"] if p["in"] == "path"],
                        re.findall(r"\{(\w+)\}", path),
                        place,
                    )
                    for parameter in operation["parameters"]:
                        self.assertNotEqual(parameter["description"], "", f"{place} {parameter['name']}")
            for name, schema in document["components"]["schemas"].items():
                self.assertTrue(schema["title"] and schema["description"], name)


if __name__ == "__main__":
    front.main()
