# Gives ipirm-export models as PyTorch's users save them, and broken ones: what comes out, and one line for every refusal.
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
    return cases


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
        for protocol in (2, 4):
            for number, value in enumerate(
                ({**state, "x": Hostile(str(trace))}, {"model": state, "x": [Hostile(str(trace))]}, Hostile(str(trace)))
            ):
                with self.subTest(protocol=protocol, number=number):
                    torch.save(value, self.root / "hostile.pt", pickle_protocol=protocol)
                    result = export(self.root / "hostile.pt", self.root / "hostile.out")
                    self.check_refused(result, "hostile.pt", f"{os.mkdir.__module__}.mkdir")
                    self.assertFalse(trace.exists())
                    self.assertFalse((self.root / "hostile.out").exists())

    def test_damaged_files_are_refused(self):
        torch.save(make_net("resnet18").state_dict(), self.root / "whole.pt")
        whole = (self.root / "whole.pt").read_bytes()
        damaged = {f"cut_{i}": whole[: len(whole) * i // 4] for i in range(4)}
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
