# A small run of ipirm-train, and all that it leaves: what runs that were stopped are compared with.
import json

TIMES = ("seconds", "samples_per_second")


def command(program, root, name, *more, device="cpu"):
    """ipirm-train on small pictures of the digits, with searches, evaluations and saves in all of its three epochs."""
    return [str(word) for word in (
        program, "--dataset", "ColoredDigits", "--arch", "resnet18", "--width", 16, "--feature_dim", 8,
        "--batch_size", 128, "--crop_size", 8, "--epochs", 3, "--workers", 1, "--device", device, "--offline", "--random_init", "--retain_group",
        "--maximize_passes", 8, "--maximize_batch", 300, "--maximize_iter", 1, "--log_every", 2, "--eval_every", 2,
        "--save_every", 2, "--save_minutes", .002, "--results_root", root, "--name", name, "--log_level", "warning", *more)]


def folder_of(root, name):
    return root / "ColoredDigits" / name


def outcome(folder):
    """All that a run leaves but its state, times left out."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()
             if path.name.startswith(("model_", "GroupResults_")) or path.name in ("log.txt", "knn_result.txt")}
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return files, [{key: value for key, value in event.items() if key not in TIMES} for event in events]


def written(folder, word):
    """How often `word` stands in what the run has written so far."""
    path = folder / "metrics.jsonl"
    return path.read_text().count(word) if path.exists() else 0
