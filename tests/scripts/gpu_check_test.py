# The bundle for a machine with a GPU: made from the finished build, it runs all its checks in an empty folder, in their short form.
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).absolute().parents[2]
BUILD = pathlib.Path(os.environ.get("IPIRM_BIN", REPOSITORY / "build/bin")).absolute().parent
PARTS = {"library": "skipped", "operators": "pass", "sanitizer": "skipped", "training": "pass", "device": "pass", "resume": "pass", "speed": "pass"}
# One thread: the suite's other tests run beside it, and threads that wait for each other's time slices take minutes.
ENV = dict(os.environ, BUILD_DIR=str(BUILD), PYTHON=sys.executable, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")


def reason_to_skip():
    if not (BUILD / "portable/ipirm-train").exists():
        return "the portable programs are not built (scripts/setup.sh portable)"
    if re.search(r"^IPIRM_SANITIZE:STRING=.", (BUILD / "CMakeCache.txt").read_text(), re.M):
        return "a sanitizer's libraries do not travel"
    try:
        import torch  # noqa: F401
    except ImportError:
        return "this Python has no torch"
    return None


def run(*command, cwd):
    return subprocess.run([str(word) for word in command], cwd=cwd, env=ENV, capture_output=True, text=True, timeout=300, check=False)


class Checks(unittest.TestCase):
    def test_what_is_off_or_no_number_is_named(self):
        sys.path[:0] = [str(REPOSITORY / "scripts/gpu_check"), str(REPOSITORY / "tests/scripts")]
        import torch
        from operator_checks import Checks as OperatorChecks
        from place import Failed
        exact = [torch.tensor([1., -2.], dtype=torch.float64) for _ in range(3)]
        for wrong in (2e-3, float("nan")):
            checks = OperatorChecks()
            checks.compare("well", exact, exact, torch.float32)
            self.assertIn("3 checks", checks.summary())
            checks.compare("ill", exact[:2] + [exact[2] + torch.tensor([0., wrong])], exact, torch.float32)
            with self.assertRaisesRegex(Failed, "^1 of 6 checks: ill: gradient"):
                checks.summary()


class Bundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = pathlib.Path(holder.name)
        cls.made = run(REPOSITORY / "scripts/gpu_bundle.sh", "--no_build", cls.folder / "bundle.tar.gz", cwd=cls.folder)
        assert cls.made.returncode == 0, cls.made.stderr
        subprocess.run(["tar", "xzf", "bundle.tar.gz"], cwd=cls.folder, check=True)
        cls.bundle = cls.folder / "ipirm_gpu"

    def test_it_is_small_and_holds_no_more_than_it_must(self):
        self.assertLessEqual((self.folder / "bundle.tar.gz").stat().st_size, 32 << 20)
        self.assertRegex(self.made.stdout, r"\d\.\d MiB")
        kernels = (BUILD / "lib/libipirm_cuda.so").exists()
        self.assertEqual("without libipirm_cuda.so" in self.made.stdout, not kernels)
        expected = ["ipirm_ops", "yaml-cpp", "z"] + (["ipirm_cuda"] if kernels else [])
        self.assertEqual(sorted(re.match(r"lib(.*?)\.so", path.name)[1] for path in (self.bundle / "lib").iterdir()), sorted(expected))

    def test_all_parts_run_in_their_short_form(self):
        done = run(self.bundle / "gpu_check.sh", "--short", "--device", "cpu", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads((self.folder / "gpu_check.json").read_text())
        self.assertTrue(report["passed"])
        self.assertEqual({part["name"]: part["outcome"] for part in report["parts"]}, PARTS)
        for part in report["parts"]:
            self.assertIn(f"{part['name']}: {part['outcome']}", done.stdout)
        self.assertIn("CPU", report["device"]["name"])
        parts = {part["name"]: part["figures"] for part in report["parts"]}
        self.assertGreater(len(parts["operators"]["checks"]), 100)
        self.assertEqual(len(parts["training"]["losses"]), 2)
        rows = parts["speed"]["rows"]
        self.assertEqual([row["who"] for row in rows if row["seconds"] is None], [])
        table = (self.folder / "gpu_check.md").read_text()
        for row in rows:
            self.assertIn(f"| {row['group']} | {row['who']} |", table)
        self.assertIn(f"by `{report['command']}`", table)
        for what in ("training step", "search", "partition_risk", "environment_loss"):
            self.assertGreaterEqual(sum(row["group"].startswith(what) for row in rows), 3)

    def test_a_part_that_fails_is_told_and_the_others_go_on(self):
        program = self.bundle / "bin/ipirm-train"
        kept = program.rename(program.with_suffix(".kept"))
        try:
            program.write_text('#!/bin/sh\n[ "$1" = --version ] || { echo "error: this one breaks" >&2; exit 3; }\n')
            program.chmod(0o755)
            done = run(self.bundle / "gpu_check.sh", "--short", "--device", "cpu", "--only", "training", "operators", cwd=self.folder)
        finally:
            kept.rename(program)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"training: fail .*ended with 3: error: this one breaks")
        self.assertIn("operators: pass", done.stdout)

    def test_an_image_folder_is_refused_in_one_line(self):
        for split in ("train", "test"):
            for number in range(2):
                path = self.folder / "images" / split / f"class{number}" / "a.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"\xff\xd8\xff\xe0 no real picture")
        import torch
        ENV["LD_LIBRARY_PATH"] = str(pathlib.Path(torch.__file__).parent / "lib")
        for more in ([], ["--check_data"]):
            done = run(self.bundle / "bin/ipirm-train", "--dataset", "Folder", "--data_root", "images", *more, cwd=self.folder)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("built without image decoders", done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    if reason := reason_to_skip():
        print(f"skipped: {reason}")
        sys.exit(77)
    unittest.main()
