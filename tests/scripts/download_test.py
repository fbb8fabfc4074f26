#!/usr/bin/env python3
# Checks scripts/download.sh against a file server on this machine: good, damaged, missing, cut off, resumed, already there.
import hashlib
import http.server
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "download.sh"
STL = ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "unlabeled_X.bin"]
CIFAR10 = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
CIFAR100 = ["train.bin", "test.bin"]


def content(name):
    """20,000 bytes that gzip cannot shrink to nothing, different for each name."""
    return b"".join(hashlib.sha256(f"{name}{i}".encode()).digest() for i in range(625))


def archive(folder, names):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content(name))
            tar.addfile(info, io.BytesIO(content(name)))
    return buffer.getvalue()


ARCHIVES = {
    "stl10_binary.tar.gz": archive("stl10_binary", STL),
    "cifar-10-binary.tar.gz": archive("cifar-10-batches-bin", CIFAR10),
    "cifar-100-binary.tar.gz": archive("cifar-100-binary", CIFAR100),
}
NAME = "cifar-100-binary.tar.gz"  # the set that most tests use


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves server.files, honouring Range where server.ranges; sends only server.cut bytes once if that is set."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        data = server.files.get(self.path.rsplit("/", 1)[-1])
        if data is None:
            return self.send_error(404)
        start = 0
        if server.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end, server.cut = (start + server.cut if server.cut else len(data)), None
        self.wfile.write(data[start:end])

    def log_message(self, *args):
        pass


class DownloadTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ipirm_download_"))
        self.addCleanup(shutil.rmtree, self.root)
        self.data = self.root / "da ta"  # a folder with a space
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.files, self.server.requests, self.server.ranges, self.server.cut = dict(ARCHIVES), [], True, None
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def run_script(self, *arguments):
        url = f"http://127.0.0.1:{self.server.server_address[1]}/base"
        md5 = {name: hashlib.md5(data).hexdigest() for name, data in ARCHIVES.items()}
        environment = dict(
            os.environ, no_proxy="127.0.0.1", STL_URL=url, CIFAR_URL=url, STL_MD5=md5["stl10_binary.tar.gz"],
            CIFAR10_MD5=md5["cifar-10-binary.tar.gz"], CIFAR100_MD5=md5["cifar-100-binary.tar.gz"])
        return subprocess.run([SCRIPT, *arguments], env=environment, cwd=self.root, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def cifar100(self):
        return self.run_script("CIFAR100", self.data)

    def part(self):
        return self.data / (NAME + ".part")

    def prepare(self, path, data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def assert_complete(self, folder, names):
        self.assertEqual(sorted(p.name for p in (self.data / folder).iterdir()), sorted(names))
        for name in names:
            self.assertEqual((self.data / folder / name).read_bytes(), content(name))

    def assert_failed(self, result, code, *words):
        self.assertEqual(result.returncode, code, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertFalse((self.data / "cifar-100-binary").exists())

    def test_good(self):
        result = self.run_script("all", self.data)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_complete("stl10_binary", STL)
        self.assert_complete("cifar-10-batches-bin", CIFAR10)
        self.assert_complete("cifar-100-binary", CIFAR100)
        self.assertEqual([path for path, _ in self.server.requests], ["/base/" + name for name in ARCHIVES])
        left = sorted(p.name for p in self.data.iterdir())  # neither archives nor temporary folders
        self.assertEqual(left, ["cifar-10-batches-bin", "cifar-100-binary", "stl10_binary"])

    def test_one_set_in_the_default_folder(self):
        self.assertEqual(self.run_script("CIFAR10").returncode, 0)
        self.data = self.root / "data"
        self.assert_complete("cifar-10-batches-bin", CIFAR10)
        self.assertEqual(len(self.server.requests), 1)

    def test_already_there(self):
        self.assertEqual(self.cifar100().returncode, 0)
        self.server.requests.clear()
        result = self.cifar100()
        self.assertEqual(result.returncode, 0)
        self.assertIn("already there", result.stdout)
        self.assertEqual(self.server.requests, [])

    def test_damaged_archive_is_refused_before_unpacking(self):
        data = bytearray(ARCHIVES[NAME])
        data[len(data) // 2] ^= 1
        self.server.files[NAME] = bytes(data)
        self.assert_failed(self.cifar100(), 1, NAME, "expected " + hashlib.md5(ARCHIVES[NAME]).hexdigest())
        self.assertEqual(list(self.data.iterdir()), [])
        self.server.files[NAME] = ARCHIVES[NAME]
        self.assertEqual(self.cifar100().returncode, 0)
        self.assert_complete("cifar-100-binary", CIFAR100)

    def test_missing_archive(self):
        del self.server.files[NAME]
        self.prepare(self.part(), b"half")
        self.assert_failed(self.cifar100(), 1, "/base/" + NAME, "CIFAR_URL")
        self.assertEqual(self.part().read_bytes(), b"half")  # a server's bad day costs nothing that was fetched

    def test_no_server(self):
        self.server.shutdown()
        self.server.server_close()
        self.assert_failed(self.cifar100(), 1, "the download stopped")

    def test_cut_off_download_goes_on(self):
        self.server.cut = 10_000
        self.assert_failed(self.cifar100(), 1, "run this again to go on")
        self.assertEqual(self.part().read_bytes(), ARCHIVES[NAME][:10_000])
        self.assertEqual(self.cifar100().returncode, 0)
        self.assertEqual(self.server.requests[-1], ("/base/" + NAME, "bytes=10000-"))
        self.assert_complete("cifar-100-binary", CIFAR100)

    def test_server_that_cannot_resume(self):
        self.server.ranges = False
        self.prepare(self.part(), ARCHIVES[NAME][:10_000])
        self.assertEqual(self.cifar100().returncode, 0)
        self.assert_complete("cifar-100-binary", CIFAR100)

    def test_part_longer_than_the_file(self):
        self.prepare(self.part(), b"x" * (len(ARCHIVES[NAME]) + 5))
        self.assertEqual(self.cifar100().returncode, 0)
        self.assert_complete("cifar-100-binary", CIFAR100)

    def test_part_of_another_file(self):
        self.prepare(self.part(), b"x" * 10_000)
        self.assertEqual(self.cifar100().returncode, 0)
        self.assert_complete("cifar-100-binary", CIFAR100)

    def test_whole_archive_at_hand_is_not_fetched_again(self):
        self.prepare(self.data / NAME, ARCHIVES[NAME])
        self.assertEqual(self.cifar100().returncode, 0)
        self.assertEqual(self.server.requests, [])
        self.assert_complete("cifar-100-binary", CIFAR100)

    def test_incomplete_folder_is_left_alone(self):
        mine = self.data / "cifar-100-binary" / "train.bin"
        self.prepare(mine, b"mine")
        result = self.cifar100()
        self.assertEqual(result.returncode, 1)
        self.assertIn("lacks test.bin", result.stderr)
        self.assertEqual(mine.read_bytes(), b"mine")
        self.assertEqual(self.server.requests, [])

    def test_wrong_usage(self):
        self.assert_failed(self.run_script("MNIST"), 2, "unknown set 'MNIST'")
        self.assert_failed(self.run_script("STL", "a", "b"), 2, "at most two arguments")
        self.prepare(self.data, b"a file")
        self.assertEqual(self.cifar100().returncode, 2)
        self.assertEqual(self.server.requests, [])


if __name__ == "__main__":
    if shutil.which("curl") is None:
        print("skipped: curl is missing")
        sys.exit(77)
    unittest.main()
