"""1,000 buyers by REST on 100 pieces: exactly 100 are paid, and the books agree."""

import unittest

import crowd
import shop as front

MEMBERS, PIECES, PATIENCE_S = 1000, 100, 60


class Sale(unittest.TestCase):
    def test_exactly_as_many_as_there_are(self):
        shop = front.Shop()
        self.addCleanup(shop.stop)
        shop.restock("poster", PIECES)
        bought = crowd.rush(shop.addresses["gateway"], "poster", MEMBERS, PATIENCE_S)
        self.assertEqual(crowd.counts(bought), {"PAID": PIECES, "STOCK_NOT_ENOUGH": MEMBERS - PIECES})
        self.assertEqual(len({each.order for each in bought if each.order}), PIECES)
        text, holds = shop.audit()
        self.assertTrue(holds, text)
        print(f"p50 {crowd.percentile(bought, 0.5) * 1000:.0f} ms, p99 {crowd.percentile(bought, 0.99) * 1000:.0f} ms")


if __name__ == "__main__":
    front.main()
