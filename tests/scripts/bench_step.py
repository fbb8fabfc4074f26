# Measures training steps of plain PyTorch and of ipirm-train at one batch size and prints their rates side by side.
"""Run it by scripts/bench_step.sh. A view is one augmented image: a step on B samples trains on 2 B views."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import torch
except ImportError:
    sys.exit("bench_step: this Python has no torch; run scripts/setup.sh, or set PYTHON to one that has it")
from plain_resnet import ARCHITECTURES, Net
from plain_training import simclr_loss

TEMPERATURE = 0.5
TRAIN_SAMPLES = 1437  # of ColoredDigits
WARM_UP = 1           # steps of each round that don't count


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def parse():
    parser = argparse.ArgumentParser(prog="bench_step.sh", description=__doc__)
    parser.add_argument("--batch_size", type=positive, default=64, help="samples; twice as many views")
    parser.add_argument("--steps", type=positive, default=3, help="timed steps a round, after one to warm up")
    parser.add_argument("--rounds", type=positive, default=2, help="how often all contestants take their turn")
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), default="resnet50")
    parser.add_argument("--width", type=positive, default=64)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--program", default=os.path.join(os.environ.get("IPIRM_BIN", "build/bin"), "ipirm-train"))
    options = parser.parse_args()
    if options.batch_size > TRAIN_SAMPLES:
        parser.error(f"--batch_size {options.batch_size}: ColoredDigits has {TRAIN_SAMPLES} training images")
    if not os.access(options.program, os.X_OK):
        parser.error(f"{options.program} is missing: build it by scripts/setup.sh ipirm-train")
    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    elif options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no GPU here")
    return options


class PlainPyTorch:
    """Steps on two random batches that never change: without any loading, which is in its favour."""

    def __init__(self, options, channels_last, bf16):
        torch.manual_seed(1234)
        self.options, self.bf16 = options, bf16
        memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.net = Net(options.arch, options.width).to(options.device).to(memory_format=memory_format)
        shape = (options.batch_size, 3, 32, 32)
        self.views = [torch.randn(shape).to(options.device).contiguous(memory_format=memory_format) for _ in range(2)]
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3, weight_decay=1e-6)

    def step(self):
        with torch.autocast(self.options.device, torch.bfloat16, enabled=self.bf16):
            projections = [self.net(view)[1].float() for view in self.views]
        loss = simclr_loss(*projections, TEMPERATURE)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return loss.item()  # as a log line reads it; waits for the device

    def round(self):
        seconds = []
        for _ in range(WARM_UP + self.options.steps):
            start = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - start)
        return seconds[WARM_UP:]


class Program:
    """Steps of ipirm-train, timed by itself, its loading of ColoredDigits included."""

    def __init__(self, options, precision):
        self.options, self.precision = options, precision

    def round(self):
        o = self.options
        steps = WARM_UP + o.steps
        epochs = -(-steps // (TRAIN_SAMPLES // o.batch_size))
        with tempfile.TemporaryDirectory() as folder:
            command = [o.program, "--dataset", "ColoredDigits", "--arch", o.arch, "--width", o.width, "--batch_size",
                       o.batch_size, "--max_steps", steps, "--epochs", epochs, "--baseline", "--augment", "none",
                       "--precision", self.precision, "--device", o.device, "--results_root", folder, "--name", "bench",
                       "--save_every", 1000, "--eval_every", 1000, "--log_every", 1]
            done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                sys.exit(f"bench_step: {' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
            with open(os.path.join(folder, "ColoredDigits", "bench", "metrics.jsonl"), encoding="utf-8") as lines:
                events = [json.loads(line) for line in lines]
        seconds = [event["seconds"] for event in events if event["event"] == "step"]
        if len(seconds) != steps:
            sys.exit(f"bench_step: {len(seconds)} step events in metrics.jsonl; expected {steps}")
        return seconds[WARM_UP:]


def reason_against_bf16(device):
    """Why bfloat16 is not measured here, or None."""
    if device == "cuda":
        return None if torch.cuda.is_bf16_supported() else "this GPU has no bfloat16 arithmetic"
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    return "this CPU has no bfloat16 arithmetic (AVX512 with BF16, or AMX): it would be emulated, minutes a step"


def contestants(options):
    """(name, maker) pairs; a maker gives an object whose round() times one round."""
    yield "plain PyTorch, fp32", lambda: PlainPyTorch(options, channels_last=False, bf16=False)
    yield "plain PyTorch, fp32, channels-last", lambda: PlainPyTorch(options, channels_last=True, bf16=False)
    yield "ipirm-train, fp32", lambda: Program(options, "fp32")
    if reason_against_bf16(options.device) is None:
        yield "plain PyTorch, bf16, channels-last", lambda: PlainPyTorch(options, channels_last=True, bf16=True)
        yield "ipirm-train, bf16", lambda: Program(options, "bf16")


def main():
    options = parse()
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{options.arch}, width {options.width}, {options.batch_size} samples (x2 views) of 32x32, {where}, "
          f"PyTorch {torch.__version__}, load average {os.getloadavg()[0]:.1f}", flush=True)
    seconds = {name: [] for name, _ in contestants(options)}
    for number in range(options.rounds):
        for name, make in contestants(options):
            seconds[name] += make().round()
            print(f"  round {number + 1}: {name}: {min(seconds[name][-options.steps:]):.3f} s a step", flush=True)

    rates = {name: 2 * options.batch_size / statistics.median(times) for name, times in seconds.items()}
    print(f"\n{'':36}{'views/s':>9}{'fastest':>9}{'slowest':>9}{'x plain fp32':>14}")
    for name, rate in rates.items():
        fastest, slowest = (2 * options.batch_size / pick(seconds[name]) for pick in (min, max))
        print(f"{name:36}{rate:9.1f}{fastest:9.1f}{slowest:9.1f}{rate / rates['plain PyTorch, fp32']:14.2f}")
    print("views/s: by the median of all timed steps")
    reason = reason_against_bf16(options.device)
    if reason:
        print(f"bf16 is left out: {reason}")


if __name__ == "__main__":
    main()
