#!/usr/bin/env python3
# The operators as a Python process uses them: loading, values, autograd, FakeTensor, errors.
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    print("skipped: this Python has no torch")
    sys.exit(77)
from torch._subclasses.fake_tensor import FakeTensorMode

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from plain_ops import unit  # noqa: E402

LIBRARY = str(pathlib.Path(os.environ["IPIRM_BIN"]).parent / "lib/libipirm_ops.so")
torch.ops.load_library(LIBRARY)
OPS = torch.ops.ipirm


def standard_error(call):
    """What the library writes meanwhile: PyTorch's own warnings of C++ go there, not through Python's."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            call()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return file.read().decode()


class Operators(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def batch(self, n=10, k=3, dtype=torch.float64):
        return unit(n, 6, dtype), unit(n, 6, dtype), torch.randn(n, k, dtype=torch.float64).softmax(1).to(dtype)

    def test_equal_weights_give_info_nce(self):
        z1, z2, _ = self.batch()
        contrastive, penalty, grad = OPS.partition_risk(z1, z2, torch.full((10, 2), .5, dtype=torch.float64), .5, .5, 1.)
        z = torch.cat([z1, z2])
        logits = (z @ z.t() / .5).fill_diagonal_(-torch.inf)
        target = (torch.arange(20) + 10) % 20
        expected = torch.nn.functional.cross_entropy(logits, target)
        torch.testing.assert_close(contrastive, expected.expand(2), rtol=1e-12, atol=0)
        self.assertEqual([penalty.shape, grad.shape], [(2,), (10, 2)])

    def test_gradient_of_the_risk_is_that_of_finite_differences(self):
        z1, z2, w = self.batch()
        value = lambda w: sum(t.mean() * f for t, f in zip(OPS.partition_risk(z1, z2, w, .3, .5, .7)[:2], (1, .7)))
        grad = OPS.partition_risk(z1, z2, w, .3, .5, .7)[2]
        step = torch.zeros_like(w)
        step[4, 1] = 1e-6
        self.assertAlmostEqual((value(w + step) - value(w - step)).item() / 2e-6, grad[4, 1].item(), places=7)

    def test_outputs_of_the_risks_carry_no_graph(self):
        z1, z2, w = (t.requires_grad_(True) for t in self.batch())
        for out in OPS.partition_risk(z1, z2, w, .5, .5, 1.):
            self.assertFalse(out.requires_grad)
        for out in OPS.partition_risk_mixup(z1, z2, w, torch.rand(10, dtype=torch.float64), None, .5, 1.):
            self.assertFalse(out.requires_grad)

    def test_environment_loss_passes_gradcheck(self):
        z1, z2 = (t.requires_grad_(True) for t in self.batch()[:2])
        environment = torch.randint(0, 2, (3, 10))
        for temperatures in ((.5, .5), (.2, .5), (.02, .03)):  # the last: the form with shifted exponents
            loss = lambda a, b: OPS.environment_loss(a, b, environment, 2, *temperatures)
            self.assertTrue(torch.autograd.gradcheck(loss, (z1, z2), rtol=1e-4, atol=1e-5 / min(temperatures)))

    def test_environment_loss_is_differentiable_once(self):
        z1, z2 = (t.requires_grad_(True) for t in self.batch()[:2])
        losses = OPS.environment_loss(z1, z2, torch.zeros(1, 10, dtype=torch.long), 1, .5, .5)
        grad, = torch.autograd.grad(losses[0].sum(), z1, retain_graph=True)
        self.assertFalse(grad.requires_grad)
        for loss in losses:
            # A gradient that does not depend on the loss (mean), and one that does.
            for value in (loss.mean(), loss.square().sum()):
                grad, = torch.autograd.grad(value, z1, create_graph=True)
                torch.testing.assert_close(grad, torch.autograd.grad(value, z1, retain_graph=True)[0])
                # Beside another term the missing one would be lost without a word.
                with self.assertRaisesRegex(RuntimeError, "differentiable once"):
                    (grad.square().sum() + z1.sum()).backward()
                (grad.detach() * z1).sum().backward()

    def test_an_index_chooses_rows(self):
        z1, z2, w = self.batch()
        index = torch.tensor([3, 0, 7, 3])
        chosen = OPS.partition_risk(z1, z2, w[:4], .5, .4, 1., index=index)
        torch.testing.assert_close(chosen, OPS.partition_risk(z1[index], z2[index], w[:4], .5, .4, 1.), rtol=0, atol=0)

    def test_fake_tensors_have_the_right_shapes(self):
        with FakeTensorMode():
            z, w = torch.empty(10, 6), torch.empty(10, 3)
            for out, shape in zip(OPS.partition_risk(z, z, w, .5, .5, 1.), ((3,), (3,), (10, 3))):
                self.assertEqual(out.shape, shape)
            for out, shape in zip(OPS.partition_risk_mixup(z, z, w, torch.empty(10), None, .5, 1.), ((3,), (3,), (10, 3))):
                self.assertEqual(out.shape, shape)
            z.requires_grad_(True)
            contrastive, penalty = OPS.environment_loss(z, z, torch.zeros(4, 10, dtype=torch.long), 3, .5, .5)
            self.assertEqual((contrastive.shape, penalty.shape), ((4, 3), (4, 3)))
            (contrastive.sum() + penalty.sum()).backward()
            self.assertEqual(z.grad.shape, z.shape)

    def test_opcheck(self):
        z1, z2, w = self.batch(dtype=torch.float32)
        checks = ("test_schema", "test_autograd_registration", "test_faketensor")
        torch.library.opcheck(OPS.partition_risk.default, (z1, z2, w, .5, .5, 1.), test_utils=checks)
        torch.library.opcheck(OPS.partition_risk.default, (z1, z2, w[:4], .5, .5, 1., True, torch.arange(4)), test_utils=checks)
        torch.library.opcheck(OPS.partition_risk_mixup.default, (z1, z2, w, w[:, 0].contiguous(), None, .5, 1.), test_utils=checks)
        z1.requires_grad_(True)
        for temperature in (.5, .02):  # the fused form, and that of ATen operations, look alike to the compiler
            torch.library.opcheck(OPS.environment_loss.default, (z1, z2, torch.zeros(1, 10, dtype=torch.long), 2, temperature, .5),
                                  test_utils=checks + ("test_aot_dispatch_static",))

    # What each operator gives for inputs of one type: its outputs, then the gradients.
    def results(self, z1, z2, w, autocast=None):
        z1, z2 = (t.detach().clone().requires_grad_(True) for t in (z1, z2))
        environment = torch.arange(20).reshape(2, 10) % 3 % 2
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            out = [*OPS.partition_risk(z1, z2, w, .5, .4, .7), *OPS.partition_risk_mixup(z1, z2, w, w[:, 0], None, .5, 1.)]
            for temperatures in ((.5, .4), (.03, .03)):  # the fused form, and that of ATen operations
                losses = OPS.environment_loss(z1, z2, environment, 2, *temperatures)
                out += losses
                (losses[0].mean() + .2 * losses[1].mean()).backward()
        return [t.detach() for t in out], [z1.grad, z2.grad]

    def test_autocast_changes_nothing(self):
        inputs = self.batch(dtype=torch.float32)
        plain = self.results(*inputs)
        for dtype in (torch.bfloat16, torch.float16):
            torch.testing.assert_close(self.results(*inputs, autocast=dtype), plain, rtol=0, atol=0)

    def test_half_precision_is_computed_in_float32(self):
        for dtype in (torch.bfloat16, torch.float16):
            half = [t.to(dtype) for t in self.batch(dtype=torch.float32)]
            outputs, grads = self.results(*half)
            exact, exact_grads = self.results(*(t.float() for t in half))
            grads_of_weights = (2, 5)
            for i, (found, expected) in enumerate(zip(outputs, exact)):
                kind = dtype if i in grads_of_weights else torch.float32
                torch.testing.assert_close(found, expected.to(kind), rtol=0, atol=0)
            for found, expected in zip(grads, exact_grads):
                self.assertEqual(found.dtype, dtype)
                # Two backward passes were added up in the narrow type.
                torch.testing.assert_close(found.float(), expected, rtol=.02, atol=.02)
            # A narrow feature beside a wide weight, as under autocast.
            wide = OPS.partition_risk(half[0], half[1], half[2].float(), .5, .4, .7)
            self.assertEqual([t.dtype for t in wide], [torch.float32] * 3)
            with FakeTensorMode() as mode:
                fake = [mode.from_tensor(t) for t in half]
                found = OPS.partition_risk(*fake, .5, .4, .7) + OPS.environment_loss(
                    fake[0], fake[1], torch.zeros(1, 10, dtype=torch.long), 2, .5, .5)
                self.assertEqual([t.dtype for t in found], [torch.float32] * 2 + [dtype] + [torch.float32] * 2)

    def test_rows_that_are_not_normalised_are_named_once(self):
        z1, z2, w = self.batch()
        environment = torch.zeros(1, 10, dtype=torch.long)
        for call in (lambda z: OPS.partition_risk(z, z2, w, .5, .5, 1.),
                     lambda z: OPS.partition_risk_mixup(z, z2, w, w[:, 0], None, .5, 1.),
                     lambda z: OPS.environment_loss(z, z2, environment, 1, .5, .5)):
            for z, silent, expected in ((z1, False, 0), (9 * z1, False, 1), (z1 / 9, False, 1), (9 * z1, True, 0), (z1.bfloat16().double(), False, 0)):
                OPS.set_norm_warning(not silent)
                said = standard_error(lambda: (call(z), call(z)))
                self.assertEqual(said.count("mean length of"), expected, said)
        OPS.set_norm_warning(False)

    def test_the_environment_silences_the_warning(self):
        code = ("import sys, torch; torch.ops.load_library(sys.argv[1]); z = torch.ones(4, 9)\n"
                "torch.ops.ipirm.partition_risk(z, z, torch.ones(4, 2), .5, .5, .5)")
        for value, expected in (("1", False), ("0", True), (None, True)):
            environment = dict(os.environ, **({"IPIRM_NO_NORM_WARNING": value} if value else {}))
            run = subprocess.run([sys.executable, "-c", code, LIBRARY], env=environment, capture_output=True, text=True, check=True)
            self.assertEqual("mean length of 3" in run.stderr, expected, run.stderr)

    def test_what_does_not_fit_is_refused(self):
        z1, z2, w = self.batch()
        environment = torch.zeros(1, 10, dtype=torch.long)
        for message, call in (
            ("weights must be", lambda: OPS.partition_risk(z1, z2, w[:5], .5, .5, 1.)),
            ("both be", lambda: OPS.partition_risk(z1, z2[:5], w, .5, .5, 1.)),
            ("one dtype", lambda: OPS.partition_risk(z1, z2, w.float(), .5, .5, 1.)),
            ("floating-point features", lambda: OPS.partition_risk(z1.long(), z2.long(), w.long(), .5, .5, 1.)),
            ("one dtype", lambda: OPS.partition_risk(z1, z2.bfloat16(), w, .5, .5, 1.)),
            ("temperatures must be above 0", lambda: OPS.partition_risk(z1, z2, w, 0., .5, 1.)),
            ("must not be negative", lambda: OPS.partition_risk(z1, z2, w, .5, .5, -1.)),
            ("partner must be", lambda: OPS.partition_risk_mixup(z1, z2, w, w[:, 0], environment[0, :4], .5, 1.)),
            (r"environment\[0\]\[0\] is 7", lambda: OPS.environment_loss(z1, z2, environment + 7, 2, .5, .5)),
            ("environment must be", lambda: OPS.environment_loss(z1, z2, environment[0], 2, .5, .5)),
        ):
            with self.assertRaisesRegex(RuntimeError, message):
                call()


if __name__ == "__main__":
    unittest.main()
