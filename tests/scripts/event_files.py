# Reads TensorBoard's event files without TensorBoard: what scripts compare runs by. Standard library alone.
import struct

TIMES = ("seconds", "samples_per_second", "memory_MB")


def remainder(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
    return byte


REMAINDERS = [remainder(byte) for byte in range(256)]


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ REMAINDERS[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


def checked(data, masked):
    crc = crc32c(data)
    assert ((crc >> 15 | crc << 17 & 0xffffffff) + 0xa282ead8) & 0xffffffff == masked, "a wrong checksum"
    return data


def records(data):
    """The payloads of a file's records, each with its checksums looked at."""
    at = 0
    while at < len(data):
        length, = struct.unpack("<Q", checked(data[at:at + 8], struct.unpack_from("<I", data, at + 8)[0]))
        assert at + 16 + length <= len(data), "a record is cut off"
        yield checked(data[at + 12:at + 12 + length], struct.unpack_from("<I", data, at + 12 + length)[0])
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of each field of a message: an int, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            length, at = varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at:at + length], at + length
        yield key >> 3, value


def of_folder(folder):
    """(step, tag, value as bytes) of everything a run has told TensorBoard, in the order of the files, times left out."""
    told = []
    for path in sorted(folder.glob("*tfevents*")):
        for number, record in enumerate(records(path.read_bytes())):
            event = dict(fields(record))
            assert (number == 0) == (event.get(3) == b"brain.Event:2"), "the version does not stand first, or not there alone"
            for _, value in fields(event.get(5, b"")):
                value = dict(fields(value))
                tag = value.pop(1).decode()
                if not tag.endswith(TIMES):
                    told.append((event.get(2, 0), tag, sorted(value.items())))
    return told
