"""The gateway with TLS and tokens: whom its doors let in, what it tells the services of him, which of them it believes.
The services are stood in for."""

import json
import ssl
import threading
import time
import unittest

import grpc

import authority
import echo
import guarded
import poll
import shop as front

HOUR_S = 3600
secure = None


def setUpModule():
    global secure
    secure = guarded.Secure()


def tearDownModule():
    secure.stop()


class Case(unittest.TestCase):
    def setUp(self):
        secure.forget()

    def refused(self, answer, status=401, code=16, reason="CALLER_UNKNOWN", at=None):
        """The answer is the gateway's own, and no service was called."""
        self.assertEqual(answer.status, status, answer.text)
        self.assertEqual(answer.headers["content-type"], "application/json")
        body = json.loads(answer.text)
        self.assertEqual(body["code"], code)
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "gateway.unwind"}
        self.assertEqual(body["details"], [info])
        self.assertNotEqual(body["message"], "")
        self.assertEqual((at or secure).calls(), [])

    def passed(self, answer):
        """The metadata of the one call that was made."""
        self.assertEqual(answer.status, 200, answer.text)
        [(_, metadata)] = secure.calls()
        secure.forget()
        return metadata


class Tokens(Case):
    def test_a_good_one_says_who_calls_and_goes_no_further(self):
        for signer in (secure.signer, secure.rsa_signer):
            metadata = self.passed(secure.buy(signer.token("mina")))
            self.assertEqual(metadata["x-member-id"], "mina")
            self.assertNotIn("authorization", metadata)

    def test_every_bad_one_is_refused(self):
        now, good = int(time.time()), secure.signer.token()
        token = secure.signer.token
        bad = {
            "none at all": None,
            "empty": "",
            "no token": "mina",
            "algorithm none": token(header={"alg": "none"}),
            "algorithm none, unsigned": token(header={"alg": "none"}).rpartition(".")[0] + ".",
            "unsigned": good.rpartition(".")[0] + ".",
            "signature cut": good[:-4],
            "signature of another": good.rpartition(".")[0] + "." + token("eve").rpartition(".")[2],
            "another key under the name of one": authority.Signer("ec-1").token(),
            "a key that is not in the set": authority.Signer("ec-2").token(),
            "a secret made of the public key": token(header={"alg": "HS256"}),
            "an RSA key under the name of another": secure.rsa_signer.token(header={"kid": "ec-1"}),
            "another issuer": token(iss="https://evil.example"),
            "no issuer": token(iss=None),
            "another audience": token(aud="warehouse"),
            "no audience": token(aud=None),
            "expired": token(exp=now - HOUR_S),
            "never expires": token(exp=None),
            "expires in a year": token(exp=now + 365 * 24 * HOUR_S),
            "not yet valid": token(nbf=now + HOUR_S),
            "nobody's": token(sub=None),
            "of a number": token(sub=7),
            "of two": token(sub=["mina", "jun"]),
            "of no member's name": token("mina\r\nsaga-id: s"),
        }
        for what, each in bad.items():
            with self.subTest(what):
                self.refused(secure.buy(each))
                # What is for everybody is not for who brings a bad one.
                if each:
                    self.refused(secure.buy(each, path="/api/v1/products"))

    def test_it_stands_in_the_header_alone(self):
        token = secure.signer.token()
        self.refused(secure.buy(path=f"{guarded.ORDER}?access_token={token}"))
        self.refused(secure.buy(Cookie=f"access_token={token}; authorization={token}"))
        self.refused(secure.buy(Authorization=token))
        poll.eventually(lambda: secure.gateway.log.read_text().count('"status":401') >= 3)
        self.assertNotIn("access_token", secure.gateway.log.read_text())

    def test_products_and_the_document_need_none(self):
        for path in ("/api/v1/products", "/api/v1/products/lamp"):
            self.assertNotIn("x-member-id", self.passed(secure.buy(path=path)))
            self.assertEqual(self.passed(secure.buy(secure.signer.token("mina"), path=path))["x-member-id"], "mina")
        self.assertEqual(secure.buy(path="/openapi.json").status, 200)
        for path in ("/api/v1/products/../orders/o-1", "/api/v1/products/..%2forders/o-1", "/api/v1/productsx", "/"):
            with self.subTest(path):
                self.assertIn(secure.buy(path=path).status, (401, 404))
                self.assertNotIn("/shop.order.v1.OrderService/GetOrder", [method for method, _ in secure.calls()])
                secure.forget()

    def test_a_webhook_needs_none_and_says_nobody(self):
        headers = {"pg-signature": "t=1,v1=00", "x-member-id": "mina"}
        for token in (None, secure.signer.token("mina"), "bad"):
            answer = secure.buy(token, path="/webhook/payment", method="POST", body="{}", **headers)
            self.assertNotIn("x-member-id", self.passed(answer))

    def test_every_other_route_needs_one(self):
        for method, path in (("POST", "/api/v1/orders"), ("GET", "/api/v1/orders"), ("GET", "/api/v1/payments/p"),
                             ("POST", "/api/v1/orders/o:cancel"), ("GET", "/nothing")):
            with self.subTest(path):
                self.refused(secure.buy(path=path, method=method, body={} if method == "POST" else None))

    def test_what_only_the_inside_may_say_is_removed(self):
        claims = {"X-Member-Id": "eve", "saga-id": "s", "x-any-bin": "!", "x-forwarded-client-cert": "URI=spiffe://e"}
        metadata = self.passed(secure.buy(secure.signer.token("mina"), **claims))
        self.assertEqual(metadata["x-member-id"], "mina")
        self.assertEqual(metadata.keys() & {"saga-id", "x-any-bin", "x-forwarded-client-cert"}, set())
        self.assertNotIn("x-member-id", self.passed(secure.buy(path="/api/v1/products", **claims)))

    def test_by_grpc_too(self):
        address = secure.gateway.addresses["gateway"]
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(secure.ca.pem)) as channel:
            get = channel.unary_unary("/shop.order.v1.OrderService/GetOrder")
            with self.assertRaises(grpc.RpcError) as refused:
                get(b"", timeout=front.CALL_PATIENCE_S, metadata=[("x-member-id", "mina")])
            self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
            self.assertEqual(secure.calls(), [])
            get(b"", timeout=front.CALL_PATIENCE_S, metadata=[("authorization", f"Bearer {secure.signer.token('jun')}")])
        [(_, metadata)] = secure.calls()
        self.assertEqual(metadata["x-member-id"], "jun")

    def test_a_page_of_an_allowed_origin_may_read_why_it_is_refused(self):
        origin = {"Origin": "http://localhost:3000"}
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        preflight = secure.buy(path="/api/v1/orders", method="OPTIONS", **origin, **asked)
        self.assertEqual((preflight.status, preflight.headers["access-control-allow-origin"]), (200, origin["Origin"]))
        answer = secure.buy(**origin)
        self.refused(answer)
        self.assertEqual(answer.headers["access-control-allow-origin"], "http://localhost:3000")


class Operators(Case):
    def test_the_certificate_says_who_decides(self):
        metadata = self.passed(secure.operate(secure.ca.service("operator"), {"x-member-id": "eve"}))
        self.assertEqual(metadata["x-member-id"], "operator")

    def test_who_has_no_good_certificate_of_an_operator_is_not_answered(self):
        for what, pair in {
            "none": None,
            "of a service": secure.ca.service("order_svc"),
            "of the gateway": secure.ca.service("gateway"),
            "without a name": secure.ca.issue(),
            "of another namespace": secure.ca.issue("spiffe://shop.example/ns/test/sa/operator"),
            "expired": secure.ca.service("operator", ends=-authority.DAY / 2),
            "not yet valid": secure.ca.service("operator", begins=authority.DAY / 2),
            "of another authority": secure.stranger.service("operator"),
            "revoked": secure.revoked_operator,
        }.items():
            with self.subTest(what):
                self.assertIsNone(secure.operate(pair))
        self.assertEqual(secure.calls(), [])

    def test_a_certificate_of_two_is_nobodys(self):
        names = [authority.SPIFFE + name for name in ("operator", "eve")]
        self.refused(secure.operate(secure.ca.issue(*names)))
        self.refused(secure.operate(secure.ca.issue(*reversed(names))))

    def test_a_token_is_no_certificate(self):
        self.assertIsNone(secure.operate(None, {"Authorization": f"Bearer {secure.signer.token('operator')}"}))

    def test_a_certificate_in_a_browser_is_not_the_right_of_other_pages(self):
        pair = secure.ca.service("operator")
        self.refused(secure.operate(pair, {"Origin": "https://evil.example"}), 403, 7, "FOREIGN_ORIGIN")
        self.refused(secure.operate(pair, {"Host": "evil.example"}), 403, 7, "FOREIGN_ORIGIN")
        own = f"https://{secure.gateway.addresses['gateway_admin']}"
        self.assertEqual(secure.operate(pair, {"Origin": own}).status, 200)
        self.assertEqual(secure.operate(pair, path="/console/").status, 200)


class Transport(Case):
    def test_no_door_speaks_plaintext_or_old_tls(self):
        for door in ("gateway", "gateway_admin"):
            with self.assertRaises(OSError):
                front.call(secure.gateway.addresses[door], "GET", "/openapi.json")
            old = secure.client(secure.ca.service("operator"))
            old.set_ciphers("DEFAULT:@SECLEVEL=0")  # else this side says no
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
            with self.assertRaises(OSError):
                secure.gateway.rest("GET", "/openapi.json", door=door, tls=old)

    def test_services_know_the_gateway_by_what_it_does(self):
        self.passed(secure.buy(secure.signer.token()))
        self.passed(secure.operate(secure.ca.service("operator")))
        secure.buy(secure.signer.token())
        secure.operate(secure.ca.service("operator"))
        for name, identity in (("order_svc", "gateway"), ("orchestrator_admin", "operators_gateway")):
            [peer] = secure.echoes[name].peers
            self.assertEqual(peer["peer_spiffe_id"], [(authority.SPIFFE + identity).encode()])

    def test_a_service_that_is_not_who_it_must_be_is_not_called(self):
        fooled = guarded.Secure(
            lambda made: {
                "order_svc": made.ca.service("stock_svc"),
                "stock_svc": made.stranger.service("stock_svc"),
                "payment_svc": made.ca.service("payment_svc", ends=-authority.DAY / 2),
                "orchestrator": made.revoked,
                "orchestrator_admin": None,
            }
        )
        self.addCleanup(fooled.stop)
        token = fooled.signer.token()
        answers = {
            "another's certificate": fooled.buy(token),
            "another authority's": fooled.buy(token, path="/api/v1/products"),
            "an expired one": fooled.buy(token, path="/api/v1/payments/p"),
            "a revoked one": fooled.buy(token, path="/api/v1/orders", method="POST", body={}),
            "none": fooled.operate(fooled.ca.service("operator")),
        }
        for what, answer in answers.items():
            with self.subTest(what):
                self.refused(answer, 503, 14, "SERVICE_UNREACHABLE", at=fooled)


class Files(Case):
    def serial(self, made):
        """Of the certificate that buyers are shown."""
        host, _, port = made.gateway.addresses["gateway"].rpartition(":")
        return ssl.get_server_certificate((host, int(port)))

    def test_they_are_replaced_while_requests_run_and_a_bad_pair_is_not_taken(self):
        made = guarded.Secure()
        self.addCleanup(made.stop)
        token, answers, done = made.signer.token(), [], threading.Event()

        def run():
            while not done.is_set():
                answers.append(made.buy(token).status)

        buyer = threading.Thread(target=run)
        buyer.start()
        try:
            for _ in range(3):
                before = self.serial(made)
                for who, pair in (("front", made.ca.issue()), ("gateway", made.ca.service("gateway"))):
                    made.show(who, pair)
                poll.eventually(lambda: self.serial(made) != before)
            before = self.serial(made)
            authority.replace(made.secrets / "front/tls.crt", made.ca.issue()[0])
            poll.eventually(lambda: "KEY_VALUES_MISMATCH" in made.gateway.log.read_text())
            self.assertEqual(self.serial(made), before)
        finally:
            done.set()
            buyer.join()
        self.assertEqual(set(answers), {200})

    def test_they_are_followed_in_a_volume_of_kubernetes(self):
        made = guarded.Secure(volumes=True)
        self.addCleanup(made.stop)
        before = self.serial(made)
        made.show("front", made.ca.issue())
        poll.eventually(lambda: self.serial(made) != before)
        pair = made.ca.service("operator")
        self.assertEqual(made.operate(pair).status, 200)
        made.revoke(pair[0])
        poll.eventually(lambda: made.operate(pair) is None)

    def test_services_are_shown_the_new_one(self):
        made = guarded.Secure()
        self.addCleanup(made.stop)
        pay = lambda: made.buy(made.signer.token(), path="/api/v1/payments/p").status == 200
        self.assertTrue(pay())
        fresh = made.ca.service("gateway")
        self.assertNotEqual(made.echoes["payment_svc"].peers[-1]["x509_pem_cert"], [fresh[0]])
        made.show("gateway", fresh)

        def shown():
            """Whether a new connection is: one that was made before Envoy read the file stays."""
            old = made.echoes["payment_svc"]
            old.stop()
            made.echoes["payment_svc"] = new = echo.Echo(made.server(made.ca.service("payment_svc")), old.address)
            poll.eventually(pay)
            return new.peers[-1]["x509_pem_cert"] == [fresh[0]]

        poll.eventually(shown)

    def test_a_new_list_revokes_an_operator(self):
        made = guarded.Secure()
        self.addCleanup(made.stop)
        pair = made.ca.service("operator")
        self.assertEqual(made.operate(pair).status, 200)
        made.revoke(pair[0])
        poll.eventually(lambda: made.operate(pair) is None)
        self.assertEqual(made.operate(made.ca.service("operator")).status, 200)

    def test_a_new_authority_counts_and_the_old_one_no_more(self):
        made = guarded.Secure()
        self.addCleanup(made.stop)
        (made.secrets / "gateway/crl.pem").write_bytes(made.stranger.revoked())
        authority.replace(made.secrets / "gateway/ca.crt", made.stranger.pem)
        poll.eventually(lambda: made.operate(made.ca.service("operator")) is None)
        # It is let in, and the services, which are the old one's, are believed no more.
        self.assertEqual(made.operate(made.stranger.service("operator")).status, 503)


if __name__ == "__main__":
    front.main()
