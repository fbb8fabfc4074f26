# Reads the event files of a run that was killed and resumed with TensorBoard's own reader: every step once, all tabs filled. Needs a
# Python that has TensorBoard; the ordinary suite, whose Python has none, skips it:
#   python3 -m venv /tmp/board && /tmp/board/bin/pip install tensorboard==2.20.0 "setuptools<81"
#   IPIRM_BIN=build/bin /tmp/board/bin/python tests/scripts/tensorboard_test.py
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

try:
    from google.protobuf import text_format
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
except ImportError as error:
    print(f"skipped: TensorBoard cannot be imported ({error})")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import small_run  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).resolve() / "ipirm-train"
ENV = dict(os.environ, OMP_NUM_THREADS="1")
EVERYTHING = dict.fromkeys(("scalars", "images", "tensors"), 0)  # no step is left out


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Board(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        root = pathlib.Path(scratch.name)
        cls.folder = small_run.folder_of(root, "run")
        command = small_run.command(PROGRAM, root, "run", "--tensorboard", "--resume")
        killed = subprocess.Popen(command, env=ENV)
        while small_run.written(cls.folder, '"step"') < 15 and killed.poll() is None:
            time.sleep(.01)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        done = subprocess.run(command, env=ENV, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        cls.events = [json.loads(line) for line in (cls.folder / "metrics.jsonl").read_text().splitlines()]
        cls.board = EventAccumulator(str(cls.folder), size_guidance=EVERYTHING)
        cls.board.Reload()

    def points(self, tag):
        """(step, value) of a curve. TensorBoard hands scalars on as tensors or as numbers, by how they were written."""
        return [(point.step, point.value) for point in self.board.Scalars(tag)]

    def expected(self, kind, axis, key):
        return [(event[axis], float32(event[key])) for event in self.events if event["event"] == kind]

    def test_it_went_on_in_a_second_file(self):
        self.assertEqual(len(list(self.folder.glob("events.out.tfevents.*"))), 2)

    def test_every_step_stands_there_once_with_its_terms(self):
        steps = self.expected("step", "step", "loss")
        self.assertEqual([step for step, _ in steps], list(range(1, 34)))
        self.assertEqual(self.points("step/loss"), steps)
        for term in ("lr", "penalty_weight"):
            self.assertEqual(self.points("step/" + term), self.expected("step", "step", term))
        self.assertEqual(len(self.points("step/samples_per_second")), 33)
        self.assertGreater(self.points("step/memory_MB")[0][1], 10)

    def test_epochs_searches_and_evaluations(self):
        self.assertEqual(self.points("epoch/loss"), self.expected("epoch", "epoch", "loss"))
        for epoch in (0, 1, 2, 3):
            passes = [(event["pass"], float32(event["risk"])) for event in self.events
                      if event["event"] == "maximize_pass" and event["epoch"] == epoch]
            self.assertGreater(len(passes), 1)
            self.assertEqual(self.points(f"search_{epoch:04}/risk"), passes)
        partitions = [event for event in self.events if event["event"] == "maximize"]
        for environment in (0, 1):
            self.assertEqual(self.points(f"partition_size/environment_{environment}"),
                             [(event["epoch"], event["sizes"][environment]) for event in partitions])
        for factor in ("digit", "colour"):
            self.assertEqual(self.points(f"partition_shares/{factor}_nats"),
                             [(event["epoch"], float32(event["factors"][factor]["information"])) for event in partitions])
            self.assertEqual(self.points(f"knn/{factor}/test_acc@1"),
                             [(event["epoch"], float32(event["test_acc@1"])) for event in self.events
                              if event["event"] == "knn" and event["factor"] == factor])

    def test_settings_are_a_text(self):
        texts = self.board.Tensors("settings")
        self.assertEqual([text.step for text in texts], [0])
        self.assertIn(b"| batch_size | `128` |", texts[0].tensor_proto.string_val[0])
        self.assertEqual(self.board.SummaryMetadata("settings").plugin_data.plugin_name, "text")

    def test_sheets_are_images(self):
        for environment in (0, 1):
            sheets = self.board.Images(f"partition_sheets/environment_{environment}")
            self.assertEqual([sheet.step for sheet in sheets], [0, 1, 2, 3])
            self.assertTrue(all(sheet.encoded_image_string.startswith(b"\x89PNG") for sheet in sheets))

    def test_the_projector_has_the_last_features(self):
        config = text_format.Parse((self.folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
        features = [line.split("\t") for line in (self.folder / config.embeddings[0].tensor_path).read_text().splitlines()]
        self.assertEqual((len(features), {len(row) for row in features}), (360, {64}))
        names = (self.folder / config.embeddings[0].metadata_path).read_text().splitlines()
        self.assertEqual((len(names), names[0]), (361, "image\tdigit\tcolour"))
        self.assertTrue((self.folder / config.embeddings[0].sprite.image_path).read_bytes().startswith(b"\x89PNG"))


if __name__ == "__main__":
    unittest.main()
