# What stands on a terminal while a run trains: one line that stays within its row, colours unless NO_COLOR says otherwise.
import fcntl
import os
import pathlib
import pty
import re
import struct
import tempfile
import termios
import unittest

from small_run import command

BIN = pathlib.Path(os.environ.get("IPIRM_BIN", "build/bin"))
COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
COLUMNS = 60


def on_terminal(words, **variables):
    """Everything that a program writes to a terminal of so many columns, and its exit status."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        os.execve(words[0], words, dict({k: v for k, v in os.environ.items() if k != "NO_COLOR"}, OMP_NUM_THREADS="1", TERM="xterm", **variables))
    seen = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(terminal)
    return seen, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Console(unittest.TestCase):
    def test_the_line_stays_within_its_row_and_colours_can_be_turned_off(self):
        for variables, coloured in (({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
            with self.subTest(variables=variables), tempfile.TemporaryDirectory() as root:
                # --debug is accepted with a warning, which is a line in colour.
                words = command(BIN / "ipirm-train", pathlib.Path(root), "x", "--epochs", 1, "--batch_size", 16, "--log_level", "info",
                                "--debug")
                seen, code = on_terminal(words, **variables)
                self.assertEqual(code, 0, seen)
                self.assertEqual(bool(COLOUR.search(seen)), coloured)
                redrawn = [line.split(b"\r")[0] for line in re.split(rb"\r\x1b\[K", seen)[1:]]
                self.assertGreater(sum(b"samples/s" in line for line in redrawn), 2)
                for line in redrawn:
                    if b"samples/s" in line and b"\n" not in line:
                        self.assertLess(len(line), COLUMNS)


if __name__ == "__main__":
    unittest.main()
