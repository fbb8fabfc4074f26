#!/usr/bin/env python3
# Enforces which room may include which (README, Layout), that no header pulls in torch/torch.h, and purpose lines and sizes.
"""usage: scripts/check_includes.py     exits 1 and lists file:line of each violation"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A room may include itself, core, and these.
MAY_INCLUDE = {
    "core": set(),
    "ops": set(),
    "data": set(),
    "augment": {"data"},
    "model": set(),
    "loss": {"ops"},
    "partition": {"ops", "loss"},
    "checkpoint": set(),
    "eval": {"model", "data", "augment"},
    "train": {"ops", "loss", "partition", "model", "data", "augment", "checkpoint", "eval"},
    "config": set(),  # and the options.h of every room
    "app": {"ops", "loss", "partition", "model", "data", "augment", "checkpoint", "eval", "train", "config"},
    "bin": {"app", "config"},
}
# Outside libraries that belong to some rooms alone.
LIBRARIES = {
    r"<opencv2/": {"data"},
    r"<spdlog/": {"core"},
    r"<CLI/": {"config"},
    r"<yaml-cpp/": {"config"},
    r"<nlohmann/": {"train", "app"},
}
MAX_LINES = 420


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[2] if parts[0] == "include" else parts[1]


def check(path):
    room = room_of(path)
    lines = path.read_text().splitlines()
    if not lines or not lines[0].startswith("// "):
        yield 1, "the first line must say in one sentence what the file is for"
    if len(lines) > MAX_LINES:
        yield len(lines), f"{len(lines)} lines; split the file (at most about 400)"
    for number, line in enumerate(lines, 1):
        include = re.match(r'#include\s+([<"].*[>"])', line)
        if not include:
            continue
        target = include.group(1)
        if path.suffix == ".h" and target == "<torch/torch.h>":
            yield number, "torch/torch.h in a header; include the narrow one"
        for pattern, rooms in LIBRARIES.items():
            if re.match(pattern, target) and room not in rooms:
                yield number, f"{target} belongs to {', '.join(sorted(rooms))}"
        other = re.match(r'"(?:ipirm/)?(\w+)/(\w+)\.h"', target)
        if not other or other.group(1) not in MAY_INCLUDE or other.group(1) in (room, "core"):
            continue
        if room == "config" and other.group(2) == "options":
            continue
        if other.group(1) not in MAY_INCLUDE[room]:
            yield number, f"room {room} may not include {target}"


def main():
    files = [p for folder in ("include/ipirm", "src") for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".h", ".cpp")]
    bad = [f"{p.relative_to(ROOT)}:{number}: {what}" for p in files for number, what in check(p)]
    print("\n".join(bad) if bad else f"{len(files)} files: includes, purpose lines and sizes are in order")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
