#!/usr/bin/env python3
# Makes a small image folder (48 training and 16 test images of two classes, .bmp) to try the programs on.
"""usage: scripts/make_small_folder.py FOLDER     standard library alone; a second"""
import pathlib
import random
import struct
import sys

SIDE = 24


def bmp(pixel):
    """A 24-bit picture of SIDE x SIDE from pixel(y, x) -> (red, green, blue)."""
    rows = b"".join(bytes(v for x in range(SIDE) for v in reversed(pixel(y, x))) for y in reversed(range(SIDE)))
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + len(rows), 0, 0, 54, 40, SIDE, SIDE, 1, 24, 0, len(rows), 2835, 2835, 0, 0) + rows


def stripes(across, rng):
    """Stripes along or across, in a colour that has nothing to do with the class."""
    colour = [rng.randrange(80, 256) for _ in range(3)]
    width = rng.randrange(2, 5)
    return lambda y, x: colour if ((x if across else y) // width) % 2 else [rng.randrange(40)] * 3


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rng = random.Random(1)
    for part, count in (("train", 24), ("test", 8)):
        for label, name in enumerate(("across", "along")):
            folder = pathlib.Path(sys.argv[1], part, name)
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                (folder / f"{i:02}.bmp").write_bytes(bmp(stripes(label == 0, rng)))
    print(f"{sys.argv[1]}: 48 training and 16 test images")


if __name__ == "__main__":
    main()
