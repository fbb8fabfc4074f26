#!/usr/bin/env python3
# Where nvcc built the CUDA kernels: asserts what its assembler reported, no spills, and few enough registers that the blocks that
# are meant to run side by side on a processor can. Loads libipirm_cuda.so.
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("IPIRM_BIN", ROOT / "build/bin"))
LIBRARIES = [BIN.parent / "lib" / name for name in ("libipirm_ops.so", "libipirm_cuda.so")]
REPORTS = sorted((BIN.parent / "cuda").glob("*.report"))
ARCHITECTURES = ("sm_80", "sm_90")
# A processor has 65,536 registers: with blocks of 256 threads, 128 registers a thread let two blocks run on it, 64 let four.
TWO_BLOCKS, FOUR_BLOCKS = 128, 64
MOST_REGISTERS = {
    # environment_loss
    "log_sums": TWO_BLOCKS, "position_sums": TWO_BLOCKS, "row_sums": TWO_BLOCKS, "view_gradients": TWO_BLOCKS, "finish": FOUR_BLOCKS,
    # the sweeps over pairs of the partition risks, and what goes before and after each
    "sweep_tile": TWO_BLOCKS, "largest_of_tile": TWO_BLOCKS, "split_views": FOUR_BLOCKS, "measure_samples": FOUR_BLOCKS,
    "reduce_parts": FOUR_BLOCKS, "largest_of_parts": FOUR_BLOCKS, "sum_weights": FOUR_BLOCKS, "finish_values": FOUR_BLOCKS,
    # rows of partition_risk and of partition_risk_mixup
    "spread_weights": FOUR_BLOCKS, "weigh_rows": FOUR_BLOCKS, "weigh_positions": FOUR_BLOCKS, "weigh_gradients": FOUR_BLOCKS,
    "add_gradients": FOUR_BLOCKS,
    "give_weights": FOUR_BLOCKS, "give_rows": FOUR_BLOCKS, "give_columns": FOUR_BLOCKS, "give_gradients": FOUR_BLOCKS,
    "write_gradients": FOUR_BLOCKS,
}


def kernels(report):
    """(kernel, architecture, bytes spilled, registers) of each kernel that nvcc's report names."""
    pattern = (r"Compiling entry function '(\S+)' for '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads"
               r".*?Used (\d+) registers")
    for mangled, architecture, stores, loads, registers in re.findall(pattern, report, re.DOTALL):
        # _ZN5ipirm3ops4cuda8log_sumsILb0EEE...: names with their lengths before them; the last is the kernel's.
        names, rest = [], re.sub(r"^_ZN", "", mangled)
        while length := re.match(r"\d+", rest):
            end = length.end() + int(length[0])
            names.append(rest[length.end():end])
            rest = rest[end:]
        yield names[-1], architecture, int(stores) + int(loads), int(registers)


class Kernels(unittest.TestCase):
    def test_no_kernel_spills_or_takes_too_many_registers(self):
        found = set()
        for report in REPORTS:
            for kernel, architecture, spilled, registers in kernels(report.read_text()):
                found.add((kernel, architecture))
                with self.subTest(kernel=kernel, architecture=architecture):
                    self.assertEqual(spilled, 0)
                    self.assertLessEqual(registers, MOST_REGISTERS[kernel])
        self.assertEqual(found, {(kernel, architecture) for kernel in MOST_REGISTERS for architecture in ARCHITECTURES})

    def test_the_library_loads_without_a_gpu(self):
        code = f"import torch\nfor library in {[str(path) for path in LIBRARIES]}: torch.ops.load_library(library)"
        try:
            import torch  # noqa: F401
        except ImportError:
            self.skipTest("torch is not installed for this Python")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    if not LIBRARIES[1].exists():
        print("skipped: libipirm_cuda.so was not built (WITH_NVCC=1 scripts/setup.sh installs nvcc)")
        sys.exit(77)
    unittest.main()
