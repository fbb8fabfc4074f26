#!/usr/bin/env python3
# Times what is slow in ipirm-metrics: boosted trees side by side with scikit-learn's, logistic regressions side by side with another build's.
"""usage: PYTHON scripts/bench_metrics.py [--metric dci|lr] [--samples 10000] [--codes 128] [--classes 10] [--runs 1] [--bin build/bin ...]

For dci PYTHON needs scikit-learn, which nothing else here does, so it has an environment of its own:

    python3 -m venv build/sklearn && build/sklearn/bin/pip install scikit-learn==1.9.1
    build/sklearn/bin/python scripts/bench_metrics.py

dci: prints seconds of both (ipirm-metrics: the whole program, reading and predicting included; scikit-learn: fit alone), accuracy on the
training samples, and how far the importances are apart. ipirm-metrics takes OMP_NUM_THREADS threads, by default one a core; scikit-learn has
one. About 6 minutes on 2 free cores, 16 beside other work.
lr: prints the processor seconds of the program in each folder of --bin and what it finds, on codes that resemble each other as an encoder's
do: each direction has nine tenths of the size of the one before. --samples 200: seconds."""
import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
except ImportError as missing:
    sys.exit(f"bench_metrics.py: {missing}")


def features(samples, codes, classes):
    """Codes that know something of the class, each a part of it, under noise; and the classes."""
    random = np.random.default_rng(5)
    values = random.integers(0, classes, samples)
    centres = random.normal(size=(classes, codes)) * np.where(np.arange(codes) < 20, 0.5, 0)
    return centres[values] + random.normal(size=(samples, codes)), values


def alike(z):
    """The same in codes that resemble each other."""
    turned = np.linalg.qr(np.random.default_rng(6).normal(size=(z.shape[1], z.shape[1])))[0]
    return z * 0.9 ** np.arange(z.shape[1]) @ turned


def report_of(program, z, y, folder, metric):
    np.save(folder / "train.npy", z)
    np.save(folder / "test.npy", z[:100])
    for name, values in (("train", y), ("test", y[:100])):
        (folder / f"{name}.csv").write_text("class\n" + "".join(f"{value}\n" for value in values))
    subprocess.run([program, "--train", folder / "train.npy", "--test", folder / "test.npy", "--out", folder / "out.json", "--overwrite",
                    "--metrics", metric, "--train_samples", str(len(z)), "--log_level", "error"], check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "out.json").read_text())


def ours(program, z, y, folder):
    start = time.perf_counter()
    report = report_of(program, z, y, folder, "dci")
    seconds = time.perf_counter() - start
    return seconds, report["scores"]["gbt_train"], np.array(report["codes_by_factors"]["importance"])[:, 0]


def regressions(programs, z, y, folder):
    for program in programs:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        report = report_of(program, z, y, folder, "lr")
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        print(f"{program}  {seconds:7.1f} s of a core  accuracy {report['scores']['lr_train']:.4f}  C {report['factors']['class']['lr_C']:.4g}",
              flush=True)


def scikit_learns(z, y):
    try:
        from sklearn.ensemble import GradientBoostingClassifier
    except ImportError as missing:
        sys.exit(f"bench_metrics.py: {missing}; see its first lines for an environment with scikit-learn")
    start = time.perf_counter()
    model = GradientBoostingClassifier(random_state=0).fit(z, y)
    return time.perf_counter() - start, model.score(z, y), model.feature_importances_


def trees(programs, z, y, folder):
    for program in programs:
        seconds, accuracy, importance = ours(program, z, y, folder)
        print(f"{program}  {seconds:7.1f} s  accuracy {accuracy:.4f}", flush=True)
    others, other_accuracy, other_importance = scikit_learns(z, y)
    print(f"scikit-learn   {others:7.1f} s  accuracy {other_accuracy:.4f}  {others / seconds:.1f} times as long; "
          f"importances differ by at most {np.abs(importance - other_importance).max():.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--codes", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--metric", choices=("dci", "lr"), default="dci")
    parser.add_argument("--bin", type=pathlib.Path, nargs="+", default=[pathlib.Path("build/bin")])
    args = parser.parse_args()
    programs = [folder / "ipirm-metrics" for folder in args.bin]
    z, y = features(args.samples, args.codes, args.classes)
    print(f"{args.metric}: {args.samples} x {args.codes}, {args.classes} classes")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.runs):
            (trees if args.metric == "dci" else regressions)(programs, z if args.metric == "dci" else alike(z), y, pathlib.Path(folder))


if __name__ == "__main__":
    main()
