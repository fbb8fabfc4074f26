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
FASHION = [f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
# What stands in for Debian's tools: apt-get "downloads" a file unless $LISTS is missing, which apt-get update makes.
APT_GET = """#!/bin/sh
echo "$@" >>"$LOG"
case $1 in
  update) touch "$LISTS" ;;
  download) [ -e "$LISTS" ] && echo >"$2_1_all.deb" || { echo "E: Unable to locate package $2"; exit 100; } ;;
esac
"""
DPKG_DEB = """#!/bin/sh
mkdir -p "$3/usr/share/datasets" && cp -r "$PACKAGE" "$3/usr/share/datasets/fashion-mnist"
"""


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

        self.package = self.root / "package"
        for name in FASHION:
            self.prepare(self.package / name, content(name))
        for name, text in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB), ("sudo", '#!/bin/sh\n"$@"\n')):
            self.prepare(self.root / "bin" / name, text.encode())
            (self.root / "bin" / name).chmod(0o755)

    def run_script(self, *arguments, installed=True):
        url = f"http://127.0.0.1:{self.server.server_address[1]}/base"
        md5 = {name: hashlib.md5(data).hexdigest() for name, data in ARCHIVES.items()}
        environment = dict(
            os.environ, no_proxy="127.0.0.1", STL_URL=url, CIFAR_URL=url, STL_MD5=md5["stl10_binary.tar.gz"],
            CIFAR10_MD5=md5["cifar-10-binary.tar.gz"], CIFAR100_MD5=md5["cifar-100-binary.tar.gz"],
            FASHION_MNIST_DIR=str(self.package if installed else self.root / "nowhere"),
            FASHION_MNIST_SHA256="\n".join(hashlib.sha256(content(name)).hexdigest() for name in FASHION),
            PATH=f"{self.root / 'bin'}:{os.environ['PATH']}", PACKAGE=str(self.package),
            LOG=str(self.root / "apt.log"), LISTS=str(self.root / "lists"))
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
        self.assert_complete("FashionMNIST/raw", FASHION)
        self.assertEqual([path for path, _ in self.server.requests], ["/base/" + name for name in ARCHIVES])
        left = sorted(p.name for p in self.data.iterdir())  # neither archives nor temporary folders
        self.assertEqual(left, ["FashionMNIST", "cifar-10-batches-bin", "cifar-100-binary", "stl10_binary"])

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

    def test_fashion_mnist_of_an_installed_package(self):
        self.assertEqual(self.run_script("FashionMNIST", self.data).returncode, 0)
        self.assert_complete("FashionMNIST/raw", FASHION)
        self.assertIn("already there", self.run_script("FashionMNIST", self.data).stdout)
        self.assertEqual(os.listdir(self.data), ["FashionMNIST"])
        self.assertFalse((self.root / "apt.log").exists())

    def test_fashion_mnist_by_apt(self):
        result = self.run_script("FashionMNIST", self.data, installed=False)  # the lists are missing at first
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_complete("FashionMNIST/raw", FASHION)
        self.assertEqual(os.listdir(self.data), ["FashionMNIST"])
        asked = (self.root / "apt.log").read_text().splitlines()
        self.assertEqual(asked, ["download dataset-fashion-mnist", "update", "download dataset-fashion-mnist"])

    def test_fashion_mnist_that_apt_does_not_know(self):
        (self.root / "bin" / "apt-get").write_text('#!/bin/sh\necho "E: no such package"\nexit 100\n')
        result = self.run_script("FashionMNIST", self.data, installed=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("E: no such package", result.stderr)
        self.assertIn("apt-get update first", result.stderr)
        self.assertEqual(os.listdir(self.data), [])

    def test_damaged_fashion_mnist_is_refused(self):
        self.prepare(self.package / FASHION[2], b"other bytes")
        result = self.run_script("FashionMNIST", self.data)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{FASHION[2]}: SHA-256 {hashlib.sha256(b'other bytes').hexdigest()}, expected", result.stderr)
        self.assertEqual(os.listdir(self.data), [])

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
