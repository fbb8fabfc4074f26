# Checks torch files of both formats against PyTorch: each reads what the other has written.
import argparse
import collections
import datetime
import decimal
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy
    import torch
except ImportError as error:
    print(f"skipped: torch or numpy cannot be imported ({error})")
    sys.exit(77)

TOOL = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin")).parent / "tests" / "checkpoint_test"
DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"
)


LEGACY = {"_use_new_zipfile_serialization": False}


class Hostile:
    """Would make a file when unpickled."""

    trace = None

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


class Subclass(torch.Tensor):
    pass


def small_model():
    torch.manual_seed(1)
    return torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(3, 4, 3), bn=torch.nn.BatchNorm2d(4), fc=torch.nn.Linear(4, 2)
        )
    )


def trained_model():
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters())
    model.fc(model.bn(model.conv(torch.rand(2, 3, 5, 5))).mean((2, 3))).sum().backward()
    optimizer.step()
    return model, optimizer


def accepted(value, expected=None, **keywords):
    """What is saved, keywords of torch.save, and the state_dict that must come back."""
    return value, keywords, value if expected is None else expected


def layouts():
    shared = torch.rand(20)
    numbers = torch.arange(40)
    return {
        "many": accepted({f"layer{i}.weight": torch.full((3,), i) for i in range(700)}),
        "requires_grad": accepted({"w": torch.rand(3, requires_grad=True)}),
        "transposed": accepted(
            {"w": torch.rand(3, 4).t(), "p": torch.rand(2, 3, 4).permute(2, 0, 1)}
        ),
        "slices": accepted(
            {"w": numbers.view(5, 8)[1:4, 2::3], "last": numbers[39:], "none": numbers[5:5]}
        ),
        "channels_last": accepted(
            {"w": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)}
        ),
        "expanded": accepted({"w": torch.rand(1, 3).expand(4, 3)}),
        "odd_shapes": accepted(
            {"scalar": torch.tensor(2.5), "empty": torch.zeros(0), "hollow": torch.zeros(3, 0, 2)}
        ),
        "special_values": accepted(
            {"w": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])}
        ),
        "unicode_names": accepted({"größe.重み": torch.rand(2)}),
        "shared_storage": accepted(
            {"a": shared, "b": shared[5:9], "c": shared.view(4, 5).t(), "tied": shared}
        ),
        "large": accepted({"w": torch.rand(1000, 700)}),
    }


def accepted_cases():
    model, optimizer = trained_model()
    state = model.state_dict()
    plain = dict(state)
    wrapped = torch.nn.DataParallel(model).state_dict()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [5, 35])
    beside = {
        "epoch": 7,
        "negative": -(2**40),
        "seed": 2**64 - 1,
        "best": 0.5,
        "name": "run",
        "none": None,
        "flag": True,
        "list": [1, [2.0, "x"]],
        "shape": torch.Size([3, 4]),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }
    foreign = {
        "args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(x=[1])),
        "scalar": numpy.float64(0.25),
        "array": numpy.arange(6).reshape(2, 3),
        "when": datetime.datetime(2020, 1, 2, 3, 4),
        "path": pathlib.PurePosixPath("/a/b"),
        "price": decimal.Decimal("1.5"),
        "set": {1, 2},
        "frozen": frozenset("ab"),
        "bytes": bytearray(b"abc"),
        "many": collections.defaultdict(list, a=[1]),
        "deque": collections.deque([1, 2]),
        "named": torch.finfo,
        "large": 2**3000,
        "function": print,
        "hostile": [Hostile()],
        "scheduler_itself": scheduler,
        "optimizer_itself": optimizer,
        "module": small_model(),
        "complex": torch.zeros(3, dtype=torch.complex64),
        "float8": torch.zeros(3, dtype=torch.float8_e4m3fn),
        "sparse": torch.eye(2).to_sparse(),
        "meta": torch.zeros(3, device="meta"),
        "storage": torch.arange(3.0).untyped_storage(),
        "dtype": torch.float32,
        "device": torch.device("cpu"),
    }
    recursive = ([],)
    recursive[0].append(recursive)
    foreign["recursive"] = recursive
    cases = {
        "ordered_dict": accepted(state),
        "dict": accepted(plain),
        "data_parallel": accepted(wrapped),
        "empty": accepted({}),
        "nested_model": accepted({"model": state, **beside}, state),
        "nested_state_dict": accepted({**beside, "state_dict": wrapped}, wrapped),
        "nested_twice": accepted({"model": {"state_dict": plain, "epoch": 3}}, plain),
        "scalars_beside_tensors": accepted({**plain, "epoch": 3}, plain),
        "parameters": accepted(dict(model.named_parameters())),
        "keep_vars": accepted(model.state_dict(keep_vars=True), state),
        "model_state_dict": accepted({**beside, "model_state_dict": state}, state),
        "foreign_values": accepted({**foreign, "state_dict": state}, state),
        "foreign_entries": accepted({**plain, **foreign}, plain),
        "foreign_entries_4": accepted({**plain, **foreign}, plain, pickle_protocol=4),
        "foreign_entries_5": accepted({**plain, **foreign}, plain, pickle_protocol=5),
        "two_dicts_of_tensors": accepted({"ema": plain, "net": wrapped}, wrapped),
        "protocol_3": accepted({"raw": b"abc", "model": state}, state, pickle_protocol=3),
        "protocol_4": accepted({"model": state, "epoch": 3}, state, pickle_protocol=4),
        "protocol_5": accepted(wrapped, pickle_protocol=5),
        **layouts(),
    }
    for dtype in DTYPES:
        cases[dtype] = accepted({"w": (torch.rand(3, 5) * 4).to(getattr(torch, dtype))})
    # The format before PyTorch 1.6 of all that, and with every protocol of what has most in it.
    for name, (value, keywords, expected) in list(cases.items()):
        cases[f"legacy_{name}"] = (value, {**keywords, **LEGACY}, expected)
    for protocol in (2, 3, 4, 5):
        cases[f"legacy_protocol_{protocol}"] = accepted(
            {**foreign, **beside, "state_dict": wrapped}, wrapped, pickle_protocol=protocol, **LEGACY
        )
    return cases


def refused_cases():
    """name -> (what is saved, keywords of torch.save, a part of the message)."""
    w = torch.rand(3, 4)
    both = {
        "hostile": (Hostile(), {}, f"{os.system.__module__}.system"),
        "hostile_model": ({"model": Hostile()}, {}, f"{os.system.__module__}.system"),
        "hostile_4": (Hostile(), {"pickle_protocol": 4}, f"{os.system.__module__}.system"),
        "whole_module": (small_model(), {}, "torch.nn.modules.container.Sequential"),
        "subclass": ({"w": w.as_subclass(Subclass)}, {}, "_rebuild_from_type_v2"),
        "complex": ({"w": w.to(torch.complex64)}, {}, "torch.ComplexFloatStorage"),
        "sparse": ({"w": w.to_sparse()}, {}, "_rebuild_sparse_tensor"),
        "float8": ({"w": w.to(torch.float8_e5m2)}, {}, "_rebuild_tensor_v3"),
        "function": ({"w": print}, {}, "'w' is an object of "),
        "ambiguous": ({"model": {"w": w}, "net": {"w": w}}, {}, "under 'model' and under 'net'"),
        "bare_tensor": (w, {}, "holds a tensor, expected a dict"),
        "no_tensors": ({"epoch": 3, "lr": 0.1}, {}, "holds no tensors"),
    }
    legacy = {f"legacy_{name}": (v, {**k, **LEGACY}, m) for name, (v, k, m) in both.items()}
    return {**both, **legacy}


def bits(tensor):
    return bytes(tensor.detach().contiguous().view(-1).view(torch.uint8).tolist())


class TorchFileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.source = pathlib.Path(cls.scratch.name, "in")
        cls.target = pathlib.Path(cls.scratch.name, "out")
        cls.source.mkdir()
        cls.target.mkdir()
        Hostile.trace = pathlib.Path(cls.scratch.name, "ran")
        cls.accepted, cls.refused = accepted_cases(), refused_cases()
        for name, (value, keywords, _) in {**cls.accepted, **cls.refused}.items():
            torch.save(value, cls.source / f"{name}.pt", **keywords)
        cls.save_as_from_cuda()
        environment = {
            **os.environ,
            "IPIRM_TORCH_FILE_IN": str(cls.source),
            "IPIRM_TORCH_FILE_OUT": str(cls.target),
        }
        command = [TOOL, "--gtest_filter=TorchFileTool.Convert"]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=300)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def save_as_from_cuda(cls):
        """A file whose storages name a GPU as their place, made without one."""
        original = torch.serialization.location_tag
        torch.serialization.location_tag = lambda storage: "cuda:0"
        try:
            torch.save({"w": torch.arange(5.0)}, cls.source / "from_cuda.pt")
        finally:
            torch.serialization.location_tag = original

    def check_equal(self, name, expected):
        refusal = self.target / f"{name}.pt.refused"
        self.assertFalse(refusal.exists(), refusal.read_text() if refusal.exists() else "")
        found = torch.load(self.target / f"{name}.pt", weights_only=True)
        self.assertEqual(list(found), list(expected))
        for key, tensor in expected.items():
            if not isinstance(tensor, torch.Tensor):
                continue
            self.assertEqual(found[key].dtype, tensor.dtype, key)
            self.assertEqual(found[key].shape, tensor.shape, key)
            self.assertEqual(bits(found[key]), bits(tensor), key)

    def test_accepted(self):
        for name, (_, _, expected) in self.accepted.items():
            with self.subTest(name):
                self.check_equal(name, expected)

    def test_nothing_was_run(self):
        self.assertFalse(Hostile.trace.exists())

    def test_from_cuda(self):
        self.check_equal("from_cuda", {"w": torch.arange(5.0)})

    def test_refused(self):
        for name, (_, _, message) in self.refused.items():
            with self.subTest(name):
                self.assertFalse((self.target / f"{name}.pt").exists())
                text = (self.target / f"{name}.pt.refused").read_text()
                self.assertIn(f"{name}.pt: ", text)
                self.assertIn(message, text)
                self.assertNotIn("\n", text)

    def test_result_loads_into_a_module(self):
        model = small_model()
        model.load_state_dict(torch.load(self.target / "ordered_dict.pt", weights_only=True))
        expected = self.accepted["ordered_dict"][2]
        self.assertEqual(bits(model.conv.weight), bits(expected["conv.weight"]))

    def test_result_can_be_mapped(self):
        mapped = torch.load(self.target / "large.pt", weights_only=True, mmap=True)
        self.assertEqual(tuple(mapped["w"].shape), (1000, 700))


if __name__ == "__main__":
    unittest.main()
