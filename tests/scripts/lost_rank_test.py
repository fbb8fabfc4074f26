# Ranks that are killed or hang, and a link between hosts that is cut: the others end with a line that names who is gone, and a restart finishes to the same bits.
"""Needs PyTorch for torchrun, and for the two hosts a kernel that gives network namespaces; skipped without."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import ranks  # noqa: E402
from ranks import BIN, ENV, flags, run, start_ranks, torchrun, wait_for  # noqa: E402
from small_run import outcome, written  # noqa: E402

ranks.require_torchrun()
SEED = random.SystemRandom().randrange(1000)
KILLS = 10
MOMENTS = ("step", "search", "save", "start")  # the last: while the ranks meet, or take up a state
SAVES_OFTEN = ("--save_minutes", .002, "--resume")


def children_of(agent):
    """The ranks' processes under torchrun, by rank."""
    found = {}
    for pid in pathlib.Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
        try:
            variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        found.update({int(word[5:]): int(pid) for word in variables if word.startswith(b"RANK=")})
    return found


class LostRank(ranks.Runs):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for process in start_ranks(2, lambda rank: flags(cls.root, "two")):
            error = process.communicate(timeout=120)[1]
            assert process.returncode == 0, error
        cls.two = outcome(cls.folder("two"))

    def wait_for_moment(self, folder, how, rng, before, process):
        """Until the run has come to such a moment, counted in what it has written; False where it ended before."""
        word = '"maximize_pass"' if how == "search" else '"event"'
        more, saving = rng.randint(1, 3), [folder / "state_next.pt", folder / "state_next.pt.tmp"]
        if how == "start":
            time.sleep(rng.uniform(0, .8))
        else:
            wait_for(lambda: process.poll() is not None or written(folder, word) >= before[word] + more, between=.005)
            time.sleep(rng.uniform(0, .05) if how == "step" else 0)
        if how == "save":
            wait_for(lambda: process.poll() is not None or any(map(os.path.exists, saving)), between=.0002)
        return process.poll() is None

    def test_killed_at_ten_random_moments_torchrun_finishes_to_the_same_bits(self):
        rng = random.Random(SEED)
        kills, number, old = [], 0, {}
        while len(kills) < KILLS:
            name = f"killed{number}"
            folder = self.folder(name)
            process = subprocess.Popen(torchrun(2, flags(self.root, name, *SAVES_OFTEN), restarts=KILLS), env=ENV,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while len(kills) < KILLS and process.poll() is None:
                before = {word: written(folder, word) for word in ('"event"', '"maximize_pass"')}
                wait_for(lambda: process.poll() is not None or
                         len(set(children_of(process.pid).values()) - set(old.values())) == 2)
                how = MOMENTS[len(kills) % len(MOMENTS)]
                if not self.wait_for_moment(folder, how, rng, before, process):
                    break
                old, rank = children_of(process.pid), rng.randrange(2)
                if len(old) == 2:
                    os.kill(old[rank], signal.SIGKILL)
                    kills.append((how, rank))
            error = process.communicate(timeout=200)[1]
            self.assertEqual(process.returncode, 0, (SEED, kills, error))
            self.assertEqual(outcome(folder), self.two, (SEED, kills))
            number += 1
        print(f"seed {SEED}: killed {kills}, {number} runs ended as undisturbed")

    def expect_end(self, process, word, seconds):
        """The process ends in time, with a line that holds the word."""
        error = process.communicate(timeout=seconds)[1]
        self.assertEqual(process.returncode, 1, error)
        self.assertIn(f"a process of this run is gone: {word}", error)

    def test_a_killed_rank_ends_the_others_with_its_name(self):
        processes = start_ranks(3, lambda rank: flags(self.root, "lost", "--epochs", 200, "--batch_size", 12))
        self.assertTrue(wait_for(lambda: written(self.folder("lost"), '"step"')))
        processes[1].kill()
        for rank in (0, 2):
            self.expect_end(processes[rank], "rank 1 (", 60)
        processes[1].communicate()

    def test_a_rank_that_hangs_ends_the_others_with_its_name(self):
        timeout, runs = 8, {}  # seconds
        for silent in (0, 1):
            words = flags(self.root, f"hangs{silent}", "--epochs", 200, "--batch_size", 12, "--dist_timeout", timeout / 60)
            runs[silent] = start_ranks(3, lambda rank: words)
        for silent, processes in runs.items():
            self.assertTrue(wait_for(lambda: written(self.folder(f"hangs{silent}"), '"step"')))
        for silent, processes in runs.items():
            processes[silent].send_signal(signal.SIGSTOP)
        start = time.monotonic()
        for silent, processes in runs.items():
            for rank, process in enumerate(processes):
                if rank != silent:
                    self.expect_end(process, f"rank {silent}", 60)
        self.assertLess(time.monotonic() - start, timeout + 10)
        for silent, processes in runs.items():
            processes[silent].kill()
            processes[silent].communicate()


class TwoHosts(unittest.TestCase):
    """Two network namespaces of this machine, joined by a pair of veth as two hosts are by a cable."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        if not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
            self.skipTest("no ip, nsenter or unshare here (Debian's iproute2 and util-linux)")
        self.hosts = []
        for _ in range(2):
            self.start_host()
        self.ip(0, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
        self.ip(0, "link", "set", "veth1", "netns", self.hosts[1].pid)
        for host in range(2):
            self.ip(host, "address", "add", f"10.77.0.{host + 1}/24", "dev", f"veth{host}")
            for link in ("lo", f"veth{host}"):
                self.ip(host, "link", "set", link, "up")

    def start_host(self):
        """A process that keeps a network namespace: as root, or in a user namespace that both share."""
        before = {os.readlink("/proc/self/ns/net"), *(os.readlink(f"/proc/{host.pid}/ns/net") for host in self.hosts)}
        own_user = [] if os.getuid() == 0 or self.hosts else ["--user", "--map-root-user"]
        host = subprocess.Popen([*(self.inside(0) if self.hosts else []), "unshare", *own_user, "--net", "sleep", "600"],
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (host.kill(), host.communicate()))
        wait_for(lambda: host.poll() is not None or os.readlink(f"/proc/{host.pid}/ns/net") not in before)
        if host.poll() is not None:
            self.skipTest(f"the kernel gives no network namespace: {host.communicate()[1].strip()}")
        self.hosts.append(host)

    def inside(self, host):
        own_user = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self.hosts[host].pid), *own_user, "--net", "--"]

    def ip(self, host, *words):
        done = run([*self.inside(host), "ip", *map(str, words)])
        if done.returncode != 0:
            self.skipTest(f"the kernel joins no namespaces: ip {' '.join(map(str, words))}: {done.stderr.strip()}")

    def start(self, words):
        return [ranks.start_one([*self.inside(rank), str(BIN / "ipirm-train"), *words], GLOO_SOCKET_IFNAME=f"veth{rank}",
                                **ranks.torchrun_variables(rank, 2, "10.77.0.1", 29500)) for rank in range(2)]

    def finish(self, processes):
        for process in processes:
            error = process.communicate(timeout=120)[1]
            self.assertEqual(process.returncode, 0, error)

    def test_a_link_that_is_cut_ends_both_and_a_restart_finishes_to_the_same_bits(self):
        ranks.make_data(self.root)
        self.finish(start_ranks(2, lambda rank: flags(self.root, "whole")))
        folder = self.root / "Folder"
        words = flags(self.root, "cut", *SAVES_OFTEN, "--dist_timeout", .1)
        processes = self.start(words)
        self.assertTrue(wait_for(lambda: written(folder / "cut", '"step"') >= 3))
        self.ip(1, "link", "set", "veth1", "down")
        for process, word in zip(processes, ("rank 1 (", "rank 0, or whoever started")):
            error = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 1, error)
            self.assertIn(f"a process of this run is gone: {word}", error)
        self.ip(1, "link", "set", "veth1", "up")
        self.finish(self.start(words))
        self.assertEqual(outcome(folder / "cut"), outcome(folder / "whole"))


if __name__ == "__main__":
    unittest.main()
