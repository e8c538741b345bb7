"""docs/OPERATING.md, "Backup": its commands back the shop up, and its check finds a database that was restored to another
time than the others. SQLite."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

import document
import shop as front

PROGRAMS = ("orchestrator", "order_svc", "stock_svc", "payment_svc", "mock_pg")
PLACE = "/shop.checkout.v1.CheckoutService/PlaceOrder"


class Restore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="unwind-restore-")
        cls.addClassCleanup(folder.cleanup)
        cls.workplace = document.Workplace(folder.name)
        shop = front.Shop()
        cls.addClassCleanup(shop.stop)
        blocks = [b for b in document.blocks_of("docs/OPERATING.md") if b.headings[-1] == "Backup"]
        cls.back_up, cls.audit = [b for b in blocks if b.language == "sh"]
        cls.folders = []
        for member in ("mina", "jun"):
            order = {
                "request_id": f"restore-{member}",
                "member_id": member,
                "items": [{"product_id": "lamp", "quantity": 1}],
                "payment_method": "PAYMENT_METHOD_CARD",
            }
            shop.rpc("orchestrator", PLACE, order)
            shop.audit()  # once what follows the order is over
            copy = pathlib.Path(folder.name) / f"copy-of-{member}"
            copy.mkdir()
            ((said, status),) = cls.workplace.run([cls.back_up], {}, {"DIR": str(shop.scratch), "COPY": str(copy)})
            assert status == 0, said
            cls.folders.append(copy)

    def audited(self, folder):
        """What the document's check says of a folder, and its exit status."""
        return self.workplace.run([self.audit], {}, {"COPY": str(folder)})[0]

    def test_copies_of_one_time_agree(self):
        for folder in self.folders:
            said, status = self.audited(folder)
            self.assertEqual(status, 0, said)

    def test_one_that_is_older_than_the_others_is_found(self):
        early, late = self.folders
        for program in PROGRAMS:
            with self.subTest(program):
                mixed = late.parent / f"mixed-{program}"
                shutil.copytree(late, mixed)
                shutil.copy(early / f"{program}.db", mixed)
                said, status = self.audited(mixed)
                self.assertEqual(status, 1, said)
                self.assertIn("VIOLATED", said)

    def test_a_program_goes_on_from_a_copy(self):
        place = self.folders[0].parent / "restored"
        shutil.copytree(self.folders[0], place)
        service = subprocess.Popen(
            [document.BIN / "stock_svc", f"--db={place}/stock_svc.db", "--listen=127.0.0.1:0", f"--port_file={place}/port"],
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(service.wait)
        self.addCleanup(service.kill)
        document.eventually(lambda: (place / "port").exists())
        address = "127.0.0.1:" + (place / "port").read_text().split()[0]
        lamp = front.Protos().call(address, "/shop.stock.v1.StockService/GetProduct", {"product_id": "lamp"})
        self.assertEqual((lamp["total"], lamp["available"]), ("20", "19"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
