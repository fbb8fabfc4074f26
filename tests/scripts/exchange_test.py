# Gives ipirm-export models as PyTorch's users save them, and broken ones: what comes out, and one line for every refusal.
import argparse
import collections
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError as error:
    print(f"skipped: torch cannot be imported ({error})")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from plain_resnet import ARCHITECTURES, Net  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).resolve() / "ipirm-export"
LEGACY = {"_use_new_zipfile_serialization": False}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class Hostile:
    """Would make a folder when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def make_net(arch):
    torch.manual_seed(3)
    net = Net(arch, 16, 16)
    for name, buffer in net.named_buffers():  # no two tensors alike
        buffer.copy_(torch.rand(buffer.shape) * 50)
    return net


def torchvision_names(arch):
    """Of a ResNet's state_dict without fc, by torchvision's rule (models/resnet.py)."""
    blocks, bottleneck = ARCHITECTURES[arch]
    names = ["conv1.weight", *(f"bn1.{part}" for part in NORM)]
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            prefix = f"layer{stage}.{block}."
            for number in range(1, 4 if bottleneck else 3):
                names += [f"{prefix}conv{number}.weight", *(f"{prefix}bn{number}.{part}" for part in NORM)]
            if block == 0 and (stage > 1 or bottleneck):
                names += [f"{prefix}downsample.0.weight", *(f"{prefix}downsample.1.{part}" for part in NORM)]
    return names


def expected_export(state):
    """The tensors of a state_dict in the reference's order of names, as float32 under torchvision's."""
    numbers = {"0": "conv1", "1": "bn1", "3": "layer1", "4": "layer2", "5": "layer3", "6": "layer4"}
    result = {}
    for name, tensor in state.items():
        child, number, rest = name.removeprefix("module.").split(".", 2)
        if child == "f":
            dtype = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
            result[f"{numbers[number]}.{rest}"] = tensor.detach().to(dtype)
    return result


def each(state, function):
    return {name: function(tensor) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def one_storage(state):
    """The same values, float32, all of them slices of one storage."""
    floats = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    flat = torch.cat([torch.zeros(5), *(tensor.detach().flatten() for tensor in floats.values())])
    result, at = {}, 5
    for name, tensor in state.items():
        result[name] = flat[at : at + tensor.numel()].view(tensor.shape) if name in floats else tensor
        at += tensor.numel() if name in floats else 0
    return result


def strided(tensor):
    """The same values in a storage of twice the size, its last dimension first."""
    if tensor.dim() == 0:
        return tensor
    room = torch.empty(*reversed([2 * size for size in tensor.shape]))
    view = room.permute(*reversed(range(tensor.dim())))[tuple(slice(1, None, 2) for _ in tensor.shape)]
    return view.copy_(tensor.detach())


def variants():
    """name -> (what is saved, keywords of torch.save, its place, the state_dict in it)."""
    net = make_net("resnet18")
    state = net.state_dict()
    plain, wrapped = dict(state), torch.nn.DataParallel(net).state_dict()
    optimizer = torch.optim.Adam(net.parameters())
    beside = {"epoch": 25, "optimizer": optimizer.state_dict(), "args": ["--arch", "resnet18"], "best": 0.5, "x": None}
    half, brain, double = (each(state, lambda t, d=d: t.to(d)) for d in (torch.half, torch.bfloat16, torch.double))
    mixed = {name: t.half() if t.dim() == 4 else t for name, t in state.items()}
    constant = each(state, lambda t: torch.full((1,) * t.dim(), 0.25).expand(t.shape))
    bare = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    cases = {
        "ordered_dict": (state, {}, None, state),
        "dict": (plain, {}, None, state),
        "module_prefix": (wrapped, {}, None, state),
        "module_prefix_dict": (dict(wrapped), {}, None, state),
        "under_model": ({"model": state, **beside}, {}, None, state),
        "under_state_dict": ({**beside, "state_dict": wrapped}, {}, None, state),
        "under_both": ({"model": {"state_dict": wrapped, "epoch": 3}}, {}, None, state),
        "float16": (half, {}, None, half),
        "bfloat16": (brain, {}, None, brain),
        "float64": (double, {}, None, double),
        "mixed_types": (mixed, {}, None, mixed),
        "strided": (each(state, strided), {}, None, state),
        "channels_last": (
            each(state, lambda t: t.to(memory_format=torch.channels_last) if t.dim() == 4 else t), {}, None, state
        ),
        "one_storage": (one_storage(state), {}, None, state),
        "expanded": (constant, {}, None, constant),
        "parameters": (dict(net.named_parameters()) | dict(net.named_buffers()), {}, None, state),
        "keep_vars": (net.state_dict(keep_vars=True), {}, None, state),
        "reversed": (dict(reversed(list(state.items()))), {}, None, state),
        "no_num_batches": (bare, {}, None, each(state, lambda t: t)),
        "from_cuda": (state, {}, "cuda:0", state),
        "from_another_gpu": (wrapped, {}, "cuda:7", state),
        "from_apple": (state, {}, "mps", state),
        "from_elsewhere": (half, {}, "privateuseone:3", half),
    }
    for protocol in (2, 3, 4, 5):
        cases[f"protocol_{protocol}"] = ({"model": state, **beside}, {"pickle_protocol": protocol}, None, state)
        cases[f"legacy_protocol_{protocol}"] = (
            {"model": state, **beside}, {"pickle_protocol": protocol, **LEGACY}, None, state
        )
    for name in ("ordered_dict", "mixed_types", "strided", "one_storage", "parameters", "from_cuda"):
        value, _, place, expected = cases[name]
        cases[f"legacy_{name}"] = (value, LEGACY, place, expected)
    return cases


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def named_variants():
    """name -> (what is saved, keywords of torch.save, what the log says of it); the same encoder in all of them."""
    net = make_net("resnet18")
    state = net.state_dict()
    encoder = {name: tensor for name, tensor in state.items() if name.startswith("f.")}
    vision = expected_export(state)
    # What thop.profile() leaves in every module.
    counted = make_net("resnet18")
    for module in counted.modules():
        module.register_buffer("total_ops", torch.zeros(1, dtype=torch.float64))
        module.register_buffer("total_params", torch.zeros(1, dtype=torch.float64))
    counters = 2 * len(list(counted.modules()))
    optimizer = torch.optim.Adam(net.parameters())
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, abs)
    beside = {"args": argparse.Namespace(lr=0.1), "optimizer": optimizer, "scheduler": scheduler, "best": {1.0}}
    headless = "no projection head in it"
    classifier = {"fc.weight": torch.zeros(10, 128), "fc.bias": torch.zeros(10)}
    moco = {
        **prefixed("module.encoder_q.", {**vision, "fc.0.weight": torch.zeros(4, 4)}),
        **prefixed("module.encoder_k.", vision),
        "module.queue": torch.zeros(4, 8),
    }
    return {
        "thop": (torch.nn.DataParallel(counted).state_dict(), {},
                 f"stripped 'module.', ignored {counters} total_ops/total_params"),
        "model_state_dict": ({**beside, "model_state_dict": state}, {}, "read 'model_state_dict'"),
        "legacy_model_state_dict": ({**beside, "model_state_dict": state}, LEGACY, "read 'model_state_dict'"),
        "encoder": (encoder, {}, headless),
        # torch.compile() of a DataParallel, without its import of seconds.
        "compiled": (prefixed("_orig_mod.module.", state), {}, "stripped '_orig_mod.', stripped 'module.'"),
        "torchvision": (vision, {}, f"names are torchvision's, {headless}"),
        "torchvision_fc": ({**vision, **classifier}, {}, f"names are torchvision's, ignored 2 of 'fc', {headless}"),
        "backbone": ({"state_dict": prefixed("backbone.", vision), "net": None}, {},
                     f"read 'state_dict', stripped 'backbone.', names are torchvision's, {headless}"),
        "moco": (
            {"state_dict": moco, "arch": "resnet18"}, LEGACY,
            "read 'state_dict', stripped 'module.encoder_q.', names are torchvision's, ignored 1 of 'fc', "
            f"left out 121 without 'module.encoder_q.' ('module.encoder_k.conv1.weight' ...), {headless}",
        ),
        "objects": ({**state, "args": beside["args"], "best": {1}}, {}, "left out 2 that hold no tensor ('args' ...)"),
    }


def save(value, path, keywords, place):
    """torch.save, with the storages said to lie at `place`."""
    original = torch.serialization.location_tag
    if place:
        torch.serialization.location_tag = lambda storage: place
    try:
        torch.save(value, path, **keywords)
    finally:
        torch.serialization.location_tag = original


def export(source, target, *flags):
    return subprocess.run(
        [PROGRAM, "--model_path", source, "--out", target, *flags], capture_output=True, text=True, timeout=300
    )


def bits(tensor):
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()


class ExchangeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def export_all(self, names):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = pool.map(lambda name: export(self.root / f"{name}.pt", self.root / f"{name}.out"), names)
            return dict(zip(names, results))

    def check_refused(self, result, *words):
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_every_variant_is_read(self):
        cases = variants()
        self.assertGreaterEqual(len(cases), 20)
        for name, (value, keywords, place, _) in cases.items():
            save(value, self.root / f"{name}.pt", keywords, place)
        for name, result in self.export_all(list(cases)).items():
            with self.subTest(name):
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                found = torch.load(self.root / f"{name}.out", weights_only=True)
                expected = expected_export(cases[name][3])
                self.assertEqual(list(found), torchvision_names("resnet18"))
                for key, tensor in expected.items():
                    if name == "no_num_batches" and key.endswith("num_batches_tracked"):
                        continue
                    self.assertEqual(found[key].dtype, tensor.dtype, key)
                    self.assertEqual(found[key].shape, tensor.shape, key)
                    self.assertEqual(bits(found[key]), bits(tensor), key)

    def test_names_of_other_programs_are_read_and_told(self):
        cases = named_variants()
        for name, (value, keywords, _) in cases.items():
            torch.save(value, self.root / f"{name}.pt", **keywords)
        expected = expected_export(make_net("resnet18").state_dict())
        for name, result in self.export_all(list(cases)).items():
            with self.subTest(name):
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertIn(f"{name}.pt: {cases[name][2]}\n", result.stdout)
                found = torch.load(self.root / f"{name}.out", weights_only=True)
                self.assertEqual(list(found), torchvision_names("resnet18"))
                for key, tensor in expected.items():
                    self.assertEqual(bits(found[key]), bits(tensor), key)

    def test_names_are_torchvisions(self):
        for arch, count in (("resnet18", 120), ("resnet34", 216), ("resnet50", 318)):
            with self.subTest(arch):
                state = make_net(arch).state_dict()
                torch.save(state, self.root / f"{arch}.pt")
                result = export(self.root / f"{arch}.pt", self.root / f"{arch}.out")
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertIn(f"{arch} of width 16, {count} tensors", result.stdout)
                found = torch.load(self.root / f"{arch}.out", weights_only=True)
                self.assertEqual(list(found), torchvision_names(arch))
                self.assertEqual(len(found), count)
                for key, tensor in expected_export(state).items():
                    self.assertEqual(bits(found[key]), bits(tensor), key)

    def test_hostile_files_are_refused_and_run_nothing(self):
        state = make_net("resnet18").state_dict()
        trace = self.root / "made"
        hostile = Hostile(str(trace))
        asked_for = (hostile, {"model": hostile}, {**state, "f.0.weight": hostile}, {**state, "g.3.bias": hostile})
        beside = ({**state, "x": hostile}, {"model": state, "x": [hostile]})
        for keywords in ({}, {"pickle_protocol": 4, **LEGACY}):
            for number, value in enumerate((*asked_for, *beside)):
                with self.subTest(keywords=keywords, number=number):
                    torch.save(value, self.root / "hostile.pt", **keywords)
                    result = export(self.root / "hostile.pt", self.root / "hostile.out", "--overwrite")
                    self.assertFalse(trace.exists())
                    if number < len(asked_for):
                        self.check_refused(result, "hostile.pt", f"{os.mkdir.__module__}.mkdir")
                        self.assertFalse((self.root / "hostile.out").exists())
                    else:  # not asked for: neither read nor run
                        self.assertEqual((result.returncode, result.stderr), (0, ""))
                        (self.root / "hostile.out").unlink()

    def test_damaged_files_are_refused(self):
        state = make_net("resnet18").state_dict()
        torch.save(state, self.root / "whole.pt")
        whole = (self.root / "whole.pt").read_bytes()
        torch.save(state, self.root / "legacy.pt", **LEGACY)
        legacy = (self.root / "legacy.pt").read_bytes()
        damaged = {f"cut_{i}": whole[: len(whole) * i // 4] for i in range(4)}
        damaged |= {f"legacy_cut_{i}": legacy[: (len(legacy) - 1) * i // 4] for i in range(5)}
        damaged["legacy_long"] = legacy + b"x"
        for i in range(1, 4):  # tensors fill the file but for its ends
            at = len(whole) * i // 4
            damaged[f"flip_{i}"] = whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :]
        for name, content in damaged.items():
            (self.root / f"{name}.pt").write_bytes(content)
        for name, result in self.export_all(list(damaged)).items():
            with self.subTest(name):
                self.check_refused(result, f"{name}.pt")
                self.assertFalse((self.root / f"{name}.out").exists())

    def test_what_stands_at_out_is_kept(self):
        torch.save(make_net("resnet18").state_dict(), self.root / "m.pt")
        (self.root / "there").write_text("mine")
        self.check_refused(export(self.root / "m.pt", self.root / "there"), "there: exists already", "--overwrite")
        self.check_refused(export(self.root / "m.pt", self.root / "m.pt", "--overwrite"), "is the model itself")
        self.check_refused(export(self.root / "m.pt", self.root, "--overwrite"), "no regular file")
        self.check_refused(export(self.root / "m.pt", self.root / "no" / "x.pt"), "x.pt")
        self.assertEqual((self.root / "there").read_text(), "mine")
        self.assertEqual(export(self.root / "m.pt", self.root / "there", "--overwrite").returncode, 0)
        self.assertEqual(len(torch.load(self.root / "there", weights_only=True)), 120)

    def test_what_is_no_model_is_refused(self):
        state = collections.OrderedDict(make_net("resnet18").state_dict())
        del state["f.4.0.conv1.weight"]
        torch.save(state, self.root / "m.pt")
        self.check_refused(export(self.root / "m.pt", self.root / "o"), "1 name is missing (f.4.0.conv1.weight)")
        self.check_refused(export(self.root / "none.pt", self.root / "o"), "none.pt")
        self.check_refused(subprocess.run([PROGRAM], capture_output=True, text=True), "--model_path is missing")


if __name__ == "__main__":
    unittest.main()
