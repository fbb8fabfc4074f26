# Training on a device: the same losses as on the CPU and as a plain PyTorch loop, in every form, and the same bits after a kill.
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import torch

import small_run
from place import BIN, KEPT_OUTPUT, ROOT, Failed, error_line, events, run
from plain_resnet import Net
from plain_training import calm, normalised, objective, pictures, write_cifar10, write_npy

STEPS = 3
LARGEST_DIFFERENCE = 1e-4
PENALTY_WEIGHT, TEMPERATURE, IRM_TEMP = .2, .5, .4
MOMENTS = ('"event":"maximize_pass"', '"event":"step"', '"event":"step"')  # a run is killed once it has written more of these
LINES_BEFORE_KILL = 3


def device_tests(device, short):
    """The suite's tests of training, searches, evaluations and resume on a device: those on CUDA, or, on the CPU, those on the fake one."""
    tests = "*Cuda*" if device == "cuda" else "*SearchOn*/Fake" if short else "*Fake*"
    done = subprocess.run([BIN / "device_test", f"--gtest_filter={tests}"], cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    output = {"output": (done.stdout + done.stderr)[-KEPT_OUTPUT:]}
    failed = dict.fromkeys(re.findall(r"^\[  (?:FAILED|SKIPPED) ?\] ([\w/.]+)", done.stdout, re.M))
    passed = re.search(r"^\[  PASSED  \] (\d+) tests?\.$", done.stdout, re.M)
    if done.returncode != 0 or failed or not passed or passed[1] == "0":
        what = f"{len(failed)} of its tests, first {next(iter(failed))}" if failed else error_line(done.stderr)
        raise Failed(f"device_test ended with {done.returncode}: {what}", output)
    return f"{passed[1]} tests of device_test, {tests}", {"tests": int(passed[1])}


def program_losses(root, device, width, batch):
    command = [BIN / "ipirm-train", "--dataset", "CIFAR10", "--data_root", root, "--results_root", root, "--name", device,
               "--width", width, "--batch_size", batch, "--epochs", 1, "--augment", "none", "--no_shuffle", "--keep_cont",
               "--pretrain_model", root / "weights.pt", "--partition", root / "partition.npy", "--device", device,
               "--penalty_weight", PENALTY_WEIGHT, "--temperature", TEMPERATURE, "--irm_temp", IRM_TEMP, "--eval_every", 1000,
               "--max_steps", STEPS, "--log_every", 1, "--workers", 1, "--precision", "fp32"]
    run(command, device)
    return [event["loss"] for event in events(root / "CIFAR10" / device / "metrics.jsonl") if event["event"] == "step"]


def plain_losses(model, images, partition, device, batch):
    """Steps of a plain PyTorch loop from METHOD 3, 4 and 8, without TF32."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    model = model.to(device)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)
    views, environment, losses = normalised(images).to(device), partition.argmax(1).to(device), []
    for k in range(STEPS):
        chosen = slice(k * batch, (k + 1) * batch)
        z1, z2 = model(views[chosen])[1], model(views[chosen])[1]  # a view is a forward pass of its own
        loss = objective(z1, z2, environment[None, chosen], 2, TEMPERATURE, IRM_TEMP, PENALTY_WEIGHT)[0]
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses


def same_steps(device, short):
    """Three steps from the same weights on the same images: ipirm-train on the CPU and on the device, and plain PyTorch there."""
    width, batch = (16, 5) if short else (64, 30)  # the 5 files of a CIFAR-10 hold as many images each
    torch.manual_seed(0)
    model = calm(Net(width=width)).to(memory_format=torch.channels_last)
    images, partition = pictures(STEPS * batch), torch.randn(STEPS * batch, 2)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        write_cifar10(root, images, torch.randint(0, 10, (len(images),), dtype=torch.uint8))
        torch.save({f"module.{k}": v for k, v in model.state_dict().items()}, root / "weights.pt")
        write_npy(root / "partition.npy", partition)
        losses = {f"ipirm-train, {place}": program_losses(root, place, width, batch) for place in dict.fromkeys(("cpu", device))}
    losses[f"plain PyTorch, {device}"] = plain_losses(model, images, partition, device, batch)
    expected = losses.pop("ipirm-train, cpu")
    differences = {who: [abs(found / e - 1) for found, e in zip(values, expected, strict=True)] for who, values in losses.items()}
    figures = {"width": width, "batch_size": batch, "losses": {"ipirm-train, cpu": expected, **losses}, "differences": differences}
    text = "; ".join(f"{who}: {max(values):.1e}" for who, values in differences.items())
    text = f"{len(expected)} steps of a ResNet-50 of width {width}, largest relative difference of the loss from ipirm-train on the CPU: {text} ({LARGEST_DIFFERENCE:.0e} allowed)"
    if len(expected) != STEPS or not all(value <= LARGEST_DIFFERENCE for values in differences.values() for value in values):
        raise Failed(text)
    return text, figures


ENV = dict(os.environ, OMP_NUM_THREADS="1")


def start(root, name, device, *more):
    command = small_run.command(BIN / "ipirm-train", root, name, "--deterministic", *more, device=device)
    return subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def to_the_end(root, name, device, *more):
    process = start(root, name, device, *more)
    error = process.communicate(timeout=600)[1]
    if process.returncode != 0:
        raise Failed(f"a run with --deterministic ended with {process.returncode}: {error_line(error)}")
    return small_run.outcome(small_run.folder_of(root, name))


def kill(root, name, device, word):
    """Starts or resumes a run, and kills it once it has written some lines with the word. False where it ended before."""
    folder = small_run.folder_of(root, name)
    before = small_run.written(folder, word)
    process = start(root, name, device, "--resume")
    began = time.monotonic()
    while process.poll() is None:
        if small_run.written(folder, word) >= before + LINES_BEFORE_KILL or time.monotonic() - began > 300:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(.002)
    error = process.communicate(timeout=60)[1]
    if process.returncode not in (0, -signal.SIGKILL):
        raise Failed(f"a run with --resume --deterministic ended with {process.returncode}: {error_line(error)}")
    return process.returncode != 0


def killed_and_resumed(device, short):
    """A run that is killed in steps and in a search and resumed leaves what one leaves that was not."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        whole = to_the_end(root, "whole", device)
        kills = sum(kill(root, "cut", device, word) for word in MOMENTS[:1 if short else 3])
        cut = to_the_end(root, "cut", device, "--resume")
    if kills == 0:
        raise Failed("no run could be killed before its end")
    differing = [name for name in whole[0] | cut[0] if whole[0].get(name) != cut[0].get(name)]
    if differing or whole[1] != cut[1]:
        raise Failed(f"after {kills} kills and --resume these differ: {', '.join(differing) or 'metrics.jsonl'}")
    return f"{kills} x SIGKILL, --resume: the same bits in {len(whole[0])} files and {len(whole[1])} lines", {"kills": kills}
