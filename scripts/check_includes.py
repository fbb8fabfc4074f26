#!/usr/bin/env python3
# Enforces which room may include which (src/README.md, Layout), that rooms form no cycle, that no file pulls in torch/torch.h,
# and purpose lines and sizes.
"""usage: scripts/check_includes.py     exits 1 and lists file:line of each violation"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A room may include itself, core, and these. A row may stand here before its room does.
MAY_INCLUDE = {
    "core": set(),
    "ops": set(),
    "data": set(),
    "augment": {"data"},
    "model": {"dist"},
    "loss": {"ops"},
    "partition": {"ops", "loss"},
    "checkpoint": set(),
    "dist": set(),
    "metrics": set(),
    "eval": {"metrics", "model", "data", "augment", "dist"},
    "train": {"ops", "loss", "partition", "model", "data", "augment", "checkpoint", "dist", "eval"},
    "observe": {"train", "checkpoint", "data", "inspect"},  # the records of train, and what they are made of
    "inspect": {"partition", "data"},
    "config": set(),  # and the options.h of every room
    "app": {"ops", "loss", "partition", "model", "data", "augment", "checkpoint", "dist", "metrics", "eval", "train", "observe", "inspect", "config"},
    "bin": {"app", "config"},
}
# Outside libraries that belong to some rooms alone.
LIBRARIES = {
    r"<opencv2/": {"data", "inspect"},
    r"<spdlog/": {"core"},
    r"<CLI/": {"config"},
    r"<yaml-cpp/": {"config"},
    r"<nlohmann/": {"observe", "inspect", "app"},
}
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_MAIN_LINES = 20
SUFFIXES = (".h", ".cpp", ".cu", ".cuh")


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[2] if parts[0] == "include" else parts[1]


def long_functions(lines):
    """(line, length) of each function over the limit. A function begins at the margin of a namespace or a class, with a line that
    has a parenthesis, and ends with the brace at that margin."""
    start = header = None  # line numbers: of the function under way, of the declaration that may begin one
    for number, line in enumerate(lines, 1):
        margin = len(line) - len(line.lstrip())
        if start is not None:
            if line.rstrip(";,)") == " " * start_margin + "}":
                if number - start + 1 > MAX_FUNCTION_LINES:
                    yield start, number - start + 1
                start = header = None
            continue
        if margin <= 2 and line.strip() and not line.lstrip().startswith(("//", "#", "}", ":", "public", "private", "protected")):
            header, start_margin = number, margin
        opens = line.endswith("{") and header is not None
        if opens and not re.match(r" *(namespace|struct|class|enum|union|extern|constexpr|const|inline constexpr|static const)\b[^(]*$",
                                  lines[header - 1]) and any("(" in part for part in lines[header - 1:number]):
            start = header


def cycle():
    """Rooms that include each other in a ring by the table above; empty if there are none."""
    left = {room: set(others) for room, others in MAY_INCLUDE.items()}
    while free := [room for room, others in left.items() if not others & left.keys()]:
        for room in free:
            del left[room]
    return sorted(left)


def check(path):
    room = room_of(path)
    lines = path.read_text().splitlines()
    if not lines or not lines[0].startswith("// "):
        yield 1, "the first line must say in one sentence what the file is for"
    if len(lines) > MAX_LINES:
        yield len(lines), f"{len(lines)} lines; split the file (at most about 400)"
    if room == "bin" and len(lines) > MAX_MAIN_LINES:
        yield len(lines), f"a main of {len(lines)} lines; compose in app (at most {MAX_MAIN_LINES})"
    for number, length in long_functions(lines):
        yield number, f"a function of {length} lines; split it (at most about {MAX_FUNCTION_LINES})"
    for number, line in enumerate(lines, 1):
        include = re.match(r'#include\s+([<"].*[>"])', line)
        if not include:
            continue
        target = include.group(1)
        if target == "<torch/torch.h>":
            yield number, "torch/torch.h costs seconds a file; include the narrow headers (torch/types.h, torch/utils.h, ...)"
        for pattern, rooms in LIBRARIES.items():
            if re.match(pattern, target) and room not in rooms:
                yield number, f"{target} belongs to {', '.join(sorted(rooms))}"
        other = re.match(r'"(?:ipirm/)?(\w+)/(?:\w+/)*(\w+)\.(?:h|cuh)"', target)
        if not other or other.group(1) not in MAY_INCLUDE or other.group(1) in (room, "core"):
            continue
        if room == "config" and other.group(2) == "options":
            continue
        if other.group(1) not in MAY_INCLUDE[room]:
            yield number, f"room {room} may not include {target}"


def main():
    files = [p for folder in ("include/ipirm", "src") for p in sorted((ROOT / folder).rglob("*")) if p.suffix in SUFFIXES]
    bad = [f"{p.relative_to(ROOT)}:{number}: {what}" for p in files for number, what in check(p)]
    if cycle():
        bad.append(f"MAY_INCLUDE: {', '.join(cycle())} include each other in a ring")
    print("\n".join(bad) if bad else f"{len(files)} files: includes, purpose lines and lengths are in order")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
