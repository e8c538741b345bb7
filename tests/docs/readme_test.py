"""The saga that README.md shows: an order whose card is declined, as sagactl has it. And the ten lines by which the README
of the participant in Python answers later and nudges."""

import subprocess
import types
import unittest
import unittest.mock

import grpc

import document
import shop as front

ORDER = {
    "request_id": "readme",
    "member_id": "mina",
    "items": [{"product_id": "lamp", "quantity": 2}],
    "payment_method": "PAYMENT_METHOD_CARD",
}


class Readme(unittest.TestCase):
    maxDiff = None

    def test_the_saga_that_it_shows(self):
        shop = front.Shop()
        self.addCleanup(shop.stop)
        shop.scenario(failPercent=100)
        with self.assertRaises(grpc.RpcError):
            shop.rpc("orchestrator", "/shop.checkout.v1.CheckoutService/PlaceOrder", ORDER)
        command = [front.BIN / "sagactl", "--server", shop.addresses["orchestrator_admin"], "find", "place-order", "readme"]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        (shown,) = [b.text for b in document.blocks_of("README.md") if b.headings[-1] == "What it looks like"]
        self.assertIn(document.without_what_changes(shown), document.without_what_changes(said))


class TenLines(unittest.TestCase):
    """The office's work is a stand-in."""

    def setUp(self):
        blocks = document.blocks_of("tests/e2e/python_participant/README.md")
        (block,) = [b for b in blocks if b.language == "python"]
        self.assertLessEqual(len([line for line in block.text.splitlines() if line]), 10)
        self.code = {"NudgeRequest": types.SimpleNamespace, "grpc": grpc}
        exec(block.text, self.code)
        self.participant = unittest.mock.Mock()

    def apply(self, number, metadata):
        permit = types.SimpleNamespace(number=number)
        self.participant.office.start_or_look.return_value = permit
        context = unittest.mock.Mock()
        context.abort.side_effect = grpc.RpcError
        context.invocation_metadata.return_value = [("saga-id", "s"), ("saga-step", "apply"), *metadata]
        request = types.SimpleNamespace(application_id="a")
        try:
            self.assertIs(self.code["ApplyForPermit"](self.participant, request, context), permit)
        except grpc.RpcError:
            self.assertEqual(context.abort.call_args.args[0], grpc.StatusCode.UNAVAILABLE)
        self.participant.office.start_or_look.assert_called_with("a", waiter=("s", "apply"))
        return context.abort.called, context.set_trailing_metadata.mock_calls

    def test_it_is_pending_until_there_is_a_permit_to_who_accepts_that(self):
        later = [unittest.mock.call([("saga-outcome", "pending")])]
        self.assertEqual(self.apply("", [("saga-accepts", "pending")]), (False, later))
        self.assertEqual(self.apply("", []), (True, []))
        self.assertEqual(self.apply("p", [("saga-accepts", "pending")]), (False, []))

    def test_it_nudges_the_step_that_waits(self):
        self.code["granted"](self.participant, "s", "apply")
        ((request,), options) = self.participant.nudges.Nudge.call_args
        self.assertEqual((request.saga_id, request.step), ("s", "apply"))
        self.assertIn("timeout", options)


if __name__ == "__main__":
    unittest.main(verbosity=2)
