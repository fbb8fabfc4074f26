#!/usr/bin/env python3
# Checks what the scripts of runsh/ hand to the two programs, with programs in their place that only write down their arguments.
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$@" >"$RECORD/$(basename "$0")"
if [[ $(basename "$0") == ipirm-train ]]; then
  mkdir -p "$RUN" && touch "$RUN"/{model_9,model_100,model_25}.pt "$RUN/state_200.pt"
  exit "${TRAIN_EXIT:-0}"
fi
"""


class RunshTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ipirm runsh "))
        self.addCleanup(shutil.rmtree, self.root)
        self.bin = self.root / "bin"
        self.bin.mkdir()
        for name in ("ipirm-train", "ipirm-linear"):
            (self.bin / name).write_text(STAND_IN)
            (self.bin / name).chmod(0o755)

    def run_script(self, dataset, *arguments, **environment):
        self.run_folder = self.root / "res" / dataset / environment.get("NAME", "ipirm_400epoch")
        base = {key: value for key, value in os.environ.items() if key not in ("NAME", "DEVICE", "LINEAR_ARGS")}
        base.update(BIN=self.bin, RECORD=self.root, RUN=self.run_folder, RESULTS_ROOT=self.root / "res",
                    DATA_ROOT="/my data", DOWNSTREAM_ROOT=self.root / "down")
        base.update(environment)
        return subprocess.run([REPOSITORY / "runsh" / f"IPIRM_{dataset}_400epoch.sh", *arguments], env=base, text=True,
                              cwd="/", timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def arguments(self, program):
        """What a program was called with, as pairs (flag, value) and lone flags."""
        words = (self.root / program).read_text().splitlines()
        return {word: words[i + 1] if i + 1 < len(words) else "" for i, word in enumerate(words) if word.startswith("--")}

    def test_trains_then_evaluates_the_newest_model(self):
        for dataset, config in (("STL", "stl.yaml"), ("CIFAR100", "cifar100.yaml")):
            result = self.run_script(dataset, DEVICE="cpu")
            self.assertEqual(result.returncode, 0, result.stderr)
            train, linear = self.arguments("ipirm-train"), self.arguments("ipirm-linear")
            self.assertEqual(train["--config"], str(REPOSITORY / "configs" / config))
            self.assertEqual(train["--results_root"], str(self.root / "res"))
            self.assertEqual(linear["--model_path"], str(self.run_folder / "model_100.pt"))
            self.assertIn("--txt", linear)
            for flags in (train, linear):
                self.assertEqual(flags["--dataset"], dataset)
                self.assertEqual(flags["--data_root"], "/my data")
                self.assertEqual(flags["--device"], "cpu")
                self.assertEqual(flags["--name"], "ipirm_400epoch")

    def test_hands_on_further_flags_last(self):
        result = self.run_script("STL", "--epochs", "3", "--resume", NAME="mine", LINEAR_ARGS="--epochs 5 --bn eval")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.root / "ipirm-train").read_text().splitlines()[-3:], ["--epochs", "3", "--resume"])
        self.assertEqual((self.root / "ipirm-linear").read_text().splitlines()[-4:], ["--epochs", "5", "--bn", "eval"])
        self.assertEqual(self.arguments("ipirm-train")["--name"], "mine")

    def test_stops_where_training_stops(self):
        self.assertEqual(self.run_script("STL", TRAIN_EXIT="2").returncode, 2)
        self.assertFalse((self.root / "ipirm-linear").exists())

    def test_refuses_flags_that_both_programs_must_share(self):
        for flag in ("--name", "--results-root=x", "--dataset=CIFAR10", "--device"):
            result = self.run_script("STL", flag, "x")
            self.assertEqual(result.returncode, 2)
            self.assertIn(flag.split("=")[0], result.stderr)
        self.assertFalse((self.root / "ipirm-train").exists())

    def test_says_where_the_programs_come_from(self):
        result = self.run_script("STL", BIN="/nowhere")
        self.assertEqual(result.returncode, 2)
        self.assertIn("scripts/setup.sh", result.stderr)


if __name__ == "__main__":
    unittest.main()
