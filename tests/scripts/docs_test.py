# The pages: relative links lead somewhere, the entrance is short, cited sections exist, and commands marked to be run do run.
"""Standard library alone.

A fenced block that begins with ```sh run is run by bash, as a reader would in the repository's folder, except that what it writes
lands in a scratch folder: build/, configs/ and the like are links there.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).absolute().parents[2]
BIN = pathlib.Path(os.environ.get("IPIRM_BIN", REPOSITORY / "build/bin")).absolute()
PAGES = sorted(page for page in REPOSITORY.rglob("*.md")
               if not any(part.startswith((".", "build")) or part in ("results", "downstream", "data")
                          for part in page.relative_to(REPOSITORY).parts[:-1]))
SOURCES = [path for folder in ("include", "src", "tests", "scripts", "runsh", "configs") for path in (REPOSITORY / folder).rglob("*")
           if path.suffix in (".h", ".cpp", ".cu", ".cuh", ".py", ".sh", ".md", ".yaml") and "golden" not in path.parts]
FENCE = re.compile(r"^```(.*?)\n(.*?)^```\s*$", re.M | re.S)


def prose(page):
    """A page without its code blocks, in which brackets are code."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.M)


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()).replace(" ", "-") for title in titles}


class Pages(unittest.TestCase):
    def test_there_are_pages(self):
        self.assertGreater(len(PAGES), 3)

    def test_relative_links_resolve(self):
        for page in PAGES:
            for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page)):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                with self.subTest(page=str(page.relative_to(REPOSITORY)), link=target):
                    to = (page.parent / path).resolve() if path else page
                    self.assertTrue(to.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(to))

    def test_the_entrance_is_short(self):
        text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
        self.assertLessEqual(len(text.split()), 950)
        for number, line in enumerate(text.splitlines(), 1):
            self.assertLessEqual(len(line), 120, f"README.md:{number}")

    def test_cited_sections_exist(self):
        method = (REPOSITORY / "src" / "METHOD.md").read_text(encoding="utf-8")
        sections = set(re.findall(r"^#+ (\d+(?:\.\d+)?)", method, re.M))
        for path in SOURCES:
            text = path.read_text(encoding="utf-8")
            self.assertNotRegex(text, r"\bSPEC \d", path.relative_to(REPOSITORY))
            for cited in re.findall(r"METHOD (\d+(?:\.\d+)?)", text):
                self.assertIn(cited.rstrip("."), sections, path.relative_to(REPOSITORY))

    def test_marked_commands_run(self):
        num_blocks = 0
        for page in PAGES:
            for marker, commands in FENCE.findall(page.read_text(encoding="utf-8")):
                if marker.split() != ["sh", "run"]:
                    continue
                num_blocks += 1
                with self.subTest(page=str(page.relative_to(REPOSITORY)), commands=commands), \
                        tempfile.TemporaryDirectory() as scratch:
                    for entry in REPOSITORY.iterdir():
                        if entry.name not in ("results", "downstream", "data", "build"):
                            os.symlink(entry, pathlib.Path(scratch, entry.name))
                    os.symlink(BIN.parent, pathlib.Path(scratch, "build"))
                    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=scratch, capture_output=True, text=True,
                                          timeout=120, env=dict(os.environ, OMP_NUM_THREADS="1"))
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(num_blocks, 2)


if __name__ == "__main__":
    unittest.main()
