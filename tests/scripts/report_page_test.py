# Opens report.html of a small run in headless Chromium: no word in its console, every image loaded, a line in every chart, no request.
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from small_run import command, folder_of  # noqa: E402

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).resolve()
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if not CHROMIUM:
    print("skipped: no Chromium here (apt-get install chromium)")
    sys.exit(77)
ENV = dict(os.environ, OMP_NUM_THREADS="1")
# Asked of the page once it has loaded; what it finds stands in the dumped document.
PROBE = """<script>addEventListener("load", () => {
  const page = document.documentElement, images = [...document.images];
  const colours = [[0x1a, 0x73, 0xe8], [0xd9, 0x30, 0x25]]; // of the two runs' lines: grid and axes are grey
  const drawn = canvas => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4)
      if (data[i + 3] > 250 && colours.some(c => c.every((v, k) => Math.abs(v - data[i + k]) < 4))) return true;
    return false;
  };
  page.dataset.images = images.length;
  page.dataset.broken = images.filter(image => !image.complete || image.naturalWidth === 0).length;
  page.dataset.charts = document.querySelectorAll(".chart").length;
  page.dataset.drawn = [...document.querySelectorAll(".chart")].filter(box => [...box.querySelectorAll("canvas")].some(drawn)).length;
  page.dataset.requests = performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length;
  page.dataset.sideways = page.scrollWidth - page.clientWidth;
})</script>"""


class ReportPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.folder.name)
        for name in ("one", "two"):
            subprocess.run(command(BIN / "ipirm-train", root, name, "--epochs", 2), check=True, env=ENV)
        run = folder_of(root, "one")
        subprocess.run([BIN / "ipirm-inspect", run, "--against", folder_of(root, "two"), "--device", "cpu", "--log_level", "warning"],
                       check=True, env=ENV)
        cls.page = run / "inspect" / "report.html"
        cls.root = root

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def open(self, width, *more):
        """What the probe found, and what Chromium said."""
        probed = self.root / "probed.html"
        probed.write_text(self.page.read_text().replace("</body>", PROBE + "</body>"))
        done = subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--enable-logging=stderr",
             f"--user-data-dir={self.root}/profile", "--virtual-time-budget=5000", *more, "--dump-dom", probed.as_uri()],
            capture_output=True, text=True, timeout=120)
        start = done.stdout[:done.stdout.index("<head>")]
        return dict(re.findall(r'data-(\w+)="(-?\d+)"', start)), done.stderr

    def test_shows_everything_and_asks_for_nothing(self):
        for width, more in ((1280, ()), (500, ()), (1280, ("--blink-settings=preferredColorScheme=0",))):
            with self.subTest(width=width, more=more):
                found, said = self.open(width, *more)
                self.assertNotIn("CONSOLE", said)
                self.assertEqual(found["broken"], "0")
                self.assertGreater(int(found["images"]), 6)
                self.assertGreaterEqual(int(found["charts"]), 3)
                self.assertEqual(found["drawn"], found["charts"])
                self.assertEqual(found["requests"], "0")
                self.assertEqual(found["sideways"], "0")  # nothing is wider than the screen but what scrolls by itself

    def test_is_small_enough_to_send(self):
        self.assertLess(self.page.stat().st_size, 10_000_000)


if __name__ == "__main__":
    unittest.main()
