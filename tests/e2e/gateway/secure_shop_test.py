"""The whole shop with TLS, the policy and members' tokens, as ./run up --secure starts it, two of each process."""

import json
import re
import ssl
import subprocess
import unittest

import shop as front

WITH_HEADER = {"X-Requested-With": "secure_shop_test"}
UNKNOWN = "01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22"  # as long as an id that the orchestrator chooses
shop = None


def setUpModule():
    global shop
    shop = front.Shop("--secure", "--store=postgres", "--two_of_each")


def tearDownModule():
    text, holds = shop.audit()
    shop.stop()
    assert holds, text


def token(member, *options, key=None):
    signed = subprocess.run(
        [front.BIN / "sagactl", "token", "--member", member, "--key", key or shop.addresses["signing_key"], *options],
        capture_output=True,
        text=True,
        check=True,
    )
    return signed.stdout.strip()


def client(certificate=False):
    context = ssl.create_default_context(cafile=shop.addresses["ca"])
    if certificate:
        context.load_cert_chain(shop.addresses["cert"], shop.addresses["key"])
    return context


def buy(member, method, path, body=None, key=None):
    """One request as the member."""
    headers = {"Authorization": f"Bearer {token(member)}", **({"Idempotency-Key": key} if key else {})}
    return shop.rest(method, path, body, headers, tls=client())


def operate(method, path, body=None, **headers):
    return shop.rest(method, path, body, {**WITH_HEADER, **headers}, "gateway_admin", client(certificate=True))


def order(member, key, whose=None):
    return buy(member, "POST", "/api/v1/orders", front.order_of("lamp", member=whose or member), key)


class Case(unittest.TestCase):
    def paid(self, member, key):
        answer = order(member, key)
        self.assertEqual(answer.status, 200, answer.text)
        return json.loads(answer.text)["orderId"]

    def not_allowed(self, answer, field):
        self.assertEqual(answer.status, 403, answer.text)
        details = json.loads(answer.text)["details"]
        [info] = [each for each in details if "reason" in each]
        self.assertEqual((info["reason"], info["metadata"]["denied"]), ("CALLER_NOT_ALLOWED", field))


class Members(Case):
    def test_what_is_anothers_is_as_if_it_were_not_there(self):
        own = self.paid("mina", "own-1")
        for path in ("/api/v1/orders/{}", "/api/v1/payments/{}"):
            with self.subTest(path):
                self.assertEqual(buy("mina", "GET", path.format(own)).status, 200)
                foreign = buy("jun", "GET", path.format(own))
                unknown = buy("jun", "GET", path.format(UNKNOWN))
                self.assertEqual((foreign.status, unknown.status), (404, 404))
                self.assertEqual(foreign.text.replace(own, UNKNOWN), unknown.text)

    def test_a_cancel_of_anothers_is_one_of_nothing(self):
        own = self.paid("mina", "own-2")
        said = []
        for n, each in enumerate((own, UNKNOWN)):
            answer = buy("jun", "POST", f"/api/v1/orders/{each}:cancel", {"memberId": "jun"}, f"cancel-{n}")
            self.assertEqual(answer.status, 404, answer.text)
            saga = answer.headers["saga-id"]
            said.append(answer.text.replace(saga, "SAGA").replace(own, UNKNOWN))
        self.assertEqual(said[0], said[1])
        self.assertEqual(json.loads(buy("mina", "GET", f"/api/v1/orders/{own}").text)["state"], "STATE_PAID")

    def test_nobody_orders_lists_or_cancels_for_another(self):
        own = self.paid("mina", "own-3")
        self.not_allowed(order("jun", "for-mina", whose="mina"), "member_id")
        self.not_allowed(buy("jun", "GET", "/api/v1/orders?memberId=mina"), "member_id")
        cancel = f"/api/v1/orders/{own}:cancel"
        self.not_allowed(buy("jun", "POST", cancel, {"memberId": "mina"}, "cancel-for-mina"), "member_id")

    def test_a_list_has_ones_own_alone(self):
        own, others = self.paid("sora", "own-4"), self.paid("hana", "own-4")
        self.assertNotEqual(own, others)  # under one key, which is each member's
        listed = json.loads(buy("sora", "GET", "/api/v1/orders?memberId=sora").text)["orders"]
        self.assertEqual([each["orderId"] for each in listed], [own])

    def test_a_cart_is_its_members_at_every_copy(self):
        def add(member, whose, key, quantity=2):
            line = {"productId": "lamp", "quantity": quantity}
            return buy(member, "POST", f"/api/v1/carts/{whose}/lines", line, key)

        for _ in range(4):
            self.assertEqual(add("mina", "mina", "cart-1").text, '{"quantity":2}')
        self.assertEqual(add("jun", "jun", "cart-1", 3).text, '{"quantity":3}')  # the key is each member's
        self.not_allowed(add("jun", "mina", "cart-2"), "member_id")
        self.not_allowed(buy("jun", "POST", "/api/v1/carts/mina/lines/lamp:remove", {}, "cart-3"), "member_id")
        self.not_allowed(buy("jun", "GET", "/api/v1/carts/mina"), "member_id")
        self.not_allowed(buy("jun", "GET", "/api/v1/notifications?memberId=mina"), "member_id")
        [line] = json.loads(buy("mina", "GET", "/api/v1/carts/mina").text)["lines"]
        self.assertEqual((line["productId"], line["quantity"]), ("lamp", 2))

    def test_a_token_of_other_words_or_another_key_is_not_taken(self):
        other = shop.scratch / "other.key"
        subprocess.run(["openssl", "genrsa", "-out", other, "2048"], check=True, capture_output=True)
        for bad in (
            token("mina", "--audience", "warehouse"),
            token("mina", "--issuer", "https://evil.example"),
            token("mina", key=other),
        ):
            answer = shop.rest("GET", "/api/v1/orders?memberId=mina", None, {"Authorization": f"Bearer {bad}"}, tls=client())
            self.assertEqual(answer.status, 401, answer.text)


class Operators(Case):
    def test_they_stand_in_the_history_by_their_certificates(self):
        shop.scenario(delay_ms=600000)
        self.addCleanup(shop.scenario)
        headers = {"Authorization": f"Bearer {token('mina')}", "Idempotency-Key": "history-1", "grpc-timeout": "2S"}
        answer = shop.rest("POST", "/api/v1/orders", front.order_of("lamp"), headers, tls=client())
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"), answer.text)
        saga = answer.headers["saga-id"]
        cancel = f"/api/v1/sagas/{saga}:cancel"
        self.not_allowed(operate("POST", cancel, {"actor": "eve"}), "actor")
        answer = operate("POST", cancel, {"reason": "to see"}, **{"x-member-id": "eve"})
        self.assertEqual(answer.status, 200, answer.text)
        entries = json.loads(operate("GET", f"/api/v1/sagas/{saga}/history").text)["entries"]
        self.assertEqual({each["actor"] for each in entries} - {""}, {"operator via operators_gateway"})
        shop.scenario()
        self.assertEqual(order("mina", "history-1").status, 504)  # the charge was on its way, and is fenced


class Pasted(unittest.TestCase):
    def test_the_lines_that_run_up_prints(self):
        text = shop.log.read_text()
        printed = re.search(r"By REST.*?:\n(.*?)\nBy gRPC:", text, re.S).group(1)
        done = subprocess.run(
            ["bash", "-euc", 'curl() { command curl -sS --fail --max-time 60 "$@"; }\n' + printed],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin"},
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn('"state":"STATE_PAID"', done.stdout)
        self.assertRegex(done.stdout, '"definition":"(place|after)-order"')  # the newest may be what follows it

    def test_they_are_refused_without_what_they_name(self):
        printed = re.findall(r"^  (curl .*)$", shop.log.read_text(), re.M)
        printed = [line for line in printed if "https://" in line]
        self.assertEqual(len(printed), 4)
        for line in printed[1:]:
            for left_out in (r"--cacert \S+", r"--cert \S+ --key \S+", r'-H "Authorization: Bearer \$TOKEN"'):
                if re.search(left_out, line):
                    script = "KEY=k TOKEN=$1; " + re.sub(left_out, "", line) + " -sS --fail"
                    done = subprocess.run(["bash", "-uc", script, "bash", token("minsu")], capture_output=True, text=True)
                    self.assertNotEqual(done.returncode, 0, script)


if __name__ == "__main__":
    front.main()
