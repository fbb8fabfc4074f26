#!/usr/bin/env python3
# Compiles the CUDA kernels where nvcc is found and asserts what its assembler reports: no spills, and few enough registers that the
# blocks that are meant to run side by side on a processor can. Loads libipirm_cuda.so where it was built.
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("IPIRM_BIN", ROOT / "build/bin"))
LIBRARIES = [BIN.parent / "lib" / name for name in ("libipirm_ops.so", "libipirm_cuda.so")]
ARCHITECTURES = ("sm_80", "sm_90")
# A processor has 65,536 registers: with blocks of 256 threads, 128 registers a thread let two blocks run on it.
MOST_REGISTERS = {
    "log_sums": 128,
    "position_sums": 128,
    "row_sums": 128,
    "view_gradients": 128,
    "finish": 64,
}


def find_nvcc():
    """nvcc's path, as CMake found it or on the PATH; None without one."""
    named = os.environ.get("IPIRM_NVCC", "")
    return named if os.path.exists(named) else shutil.which("nvcc")


def report(nvcc, source):
    """(kernel, architecture, bytes spilled, registers) of each kernel of a source."""
    with tempfile.TemporaryDirectory() as folder:
        command = [nvcc, "-std=c++20", "-O3", "-Xptxas", "-v", "-I", ROOT / "src", "-c", source, "-o", f"{folder}/out.o"]
        for architecture in ARCHITECTURES:
            command += ["-gencode", f"arch={architecture.replace('sm', 'compute')},code={architecture}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pattern = (r"Compiling entry function '(\S+)' for '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads"
               r".*?Used (\d+) registers")
    for mangled, architecture, stores, loads, registers in re.findall(pattern, done.stdout + done.stderr, re.DOTALL):
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
        for source in sorted((ROOT / "src/ops/cuda").glob("*.cu")):
            for kernel, architecture, spilled, registers in report(find_nvcc(), source):
                found.add((kernel, architecture))
                with self.subTest(kernel=kernel, architecture=architecture):
                    self.assertEqual(spilled, 0)
                    self.assertLessEqual(registers, MOST_REGISTERS[kernel])
        self.assertEqual(found, {(kernel, architecture) for kernel in MOST_REGISTERS for architecture in ARCHITECTURES})

    @unittest.skipUnless(LIBRARIES[1].exists(), "libipirm_cuda.so was not built")
    def test_the_library_loads_without_a_gpu(self):
        code = f"import torch\nfor library in {[str(path) for path in LIBRARIES]}: torch.ops.load_library(library)"
        try:
            import torch  # noqa: F401
        except ImportError:
            self.skipTest("torch is not installed for this Python")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    if find_nvcc() is None:
        print("skipped: there is no nvcc (WITH_NVCC=1 scripts/setup.sh installs it)")
        sys.exit(77)
    unittest.main()
