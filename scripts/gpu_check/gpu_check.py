# Checks and times the program on this machine's GPU, part by part, and writes what it found. Started by gpu_check.sh.
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import torch

import operator_checks
import place
import speed
import training_checks
from place import BIN, KERNELS, Failed, Skipped, error_line, last_line, reason_of
from report import markdown

HERE = pathlib.Path(__file__).parent
TOOLS = ("memcheck", "racecheck", "synccheck")
ERROR_FOUND = 9  # what compute-sanitizer ends with then


def library_tests(device, short):
    """The operators' tests of the test suite, on the CPU: that the library fits this PyTorch."""
    if short:
        raise Skipped("--short")
    done = subprocess.run([sys.executable, HERE / "ops_library_test.py"], env=dict(os.environ, IPIRM_BIN=str(BIN)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"ops_library_test.py: {error_line(done.stderr)}", {"output": done.stderr[-4000:]})
    return next(line for line in done.stderr.splitlines() if line.startswith("Ran ")), None


def operators(device, short):
    checks = operator_checks.check_all(device, short)
    try:
        return checks.summary(), {"checks": checks.made}
    except Failed as failed:
        raise Failed(str(failed), {"checks": checks.made}) from None


def find_sanitizer():
    toolkits = [os.environ.get("CUDA_HOME"), "/usr/local/cuda", str(pathlib.Path(torch.__file__).parent.parent / "nvidia/cu13")]
    folders = [os.environ.get("PATH", "")] + [f"{toolkit}/bin:{toolkit}/compute-sanitizer" for toolkit in toolkits if toolkit]
    return shutil.which("compute-sanitizer", path=":".join(folders))


def sanitizer(device, short):
    """Our own kernels under compute-sanitizer. Each allocation stands alone, so that the end of each is guarded."""
    if device != "cuda":
        raise Skipped("--device cpu")
    if not KERNELS.exists():
        raise Skipped("the bundle holds no libipirm_cuda.so")
    program = find_sanitizer()
    if program is None:
        raise Skipped("compute-sanitizer is not found on the PATH, in CUDA_HOME or /usr/local/cuda (pip install nvidia-cuda-sanitizer-api)")
    for tool in TOOLS:
        command = [program, "--tool", tool, "--error-exitcode", str(ERROR_FOUND), "--kernel-name", "kns=ipirm"]
        command += ["--report-api-errors", "no"] if tool == "memcheck" else []
        command += [sys.executable, str(HERE / "operator_checks.py"), "--device", "cuda"]
        done = subprocess.run(command, env=dict(os.environ, PYTORCH_NO_CUDA_MEMORY_CACHING="1"), capture_output=True, text=True, timeout=1800, check=False)
        if done.returncode != 0:
            raise Failed(f"{tool} ended with {done.returncode}: {last_line(done.stdout)}", {"output": (done.stdout + done.stderr)[-8000:]})
    return f"{', '.join(TOOLS)}: no errors in the operators' kernels", None


PARTS = {
    "library": library_tests,
    "operators": operators,
    "sanitizer": sanitizer,
    "training": training_checks.same_steps,
    "device": training_checks.device_tests,
    "resume": training_checks.killed_and_resumed,
    "speed": speed.all_timings,
}


def make(name, check, device, short):
    """Runs a part to its end, whatever it raises, and prints its line."""
    start, figures, trace = time.monotonic(), None, None
    try:
        text, figures = check(device, short)
        outcome = "pass"
    except Exception as error:  # the other parts still have something to say
        outcome = "skipped" if isinstance(error, Skipped) else "fail"
        text, trace = reason_of(error)
        figures = getattr(error, "figures", None)
    part = {"name": name, "outcome": outcome, "text": text, "seconds": round(time.monotonic() - start, 1), "figures": figures}
    if trace:
        part["trace"] = trace
    print(f"{name}: {outcome} ({part['seconds']} s): {text}", flush=True)
    return part


def parse():
    parser = argparse.ArgumentParser(prog="gpu_check.sh", description="Checks and times ipirm on this machine, and writes gpu_check.json and gpu_check.md.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--short", action="store_true", help="everything at tiny sizes: that it runs, not how fast")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="these parts alone")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(), metavar="DIR", help="for the two files (default: here)")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here; --device cpu --short shows that the checks themselves run")
    return options


def main():
    options = parse()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    report = {"command": " ".join(["gpu_check.sh", *sys.argv[1:]]), "device": place.describe(options.device), "parts": []}
    print(f"{report['device']['name']}, PyTorch {torch.__version__}", flush=True)
    for name in options.only:
        report["parts"].append(make(name, PARTS[name], options.device, options.short))
    report["passed"] = all(part["outcome"] != "fail" for part in report["parts"])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gpu_check.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (options.out / "gpu_check.md").write_text(markdown(report), encoding="utf-8")
    print(f"{'all is well' if report['passed'] else 'something failed'}: {options.out / 'gpu_check.json'}, {options.out / 'gpu_check.md'}")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
