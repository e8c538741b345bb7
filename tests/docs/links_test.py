"""Each link of a document to a file of the project leads to it, and to a heading that is there."""

import re
import unittest

import document


def anchors_of(path):
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Links(unittest.TestCase):
    def test_each_leads_somewhere(self):
        found = 0
        for path in [*document.PROJECT.glob("*.md"), *document.PROJECT.glob("docs/**/*.md")]:
            text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"https?:", target):
                    continue
                found += 1
                file, _, anchor = target.partition("#")
                with self.subTest(f"{path.relative_to(document.PROJECT)}: {target}"):
                    aim = (path.parent / file).resolve() if file else path
                    self.assertTrue(aim.exists(), "there is no such file")
                    if anchor:
                        self.assertIn(anchor, anchors_of(aim))
        self.assertGreater(found, 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
