#!/usr/bin/env python3
# The operators as a Python process uses them: loading, values, autograd, FakeTensor, errors.
import os
import pathlib
import sys
import unittest

try:
    import torch
except ImportError:
    print("skipped: this Python has no torch")
    sys.exit(77)
from torch._subclasses.fake_tensor import FakeTensorMode

torch.ops.load_library(str(pathlib.Path(os.environ["IPIRM_BIN"]).parent / "lib/libipirm_ops.so"))
OPS = torch.ops.ipirm


def unit(n, d, dtype=torch.float64):
    return torch.nn.functional.normalize(torch.randn(n, d, dtype=torch.float64)).to(dtype)


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
        contrastive, _ = OPS.environment_loss(z1, z2, torch.zeros(1, 10, dtype=torch.long), 1, .5, .5)
        grad, = torch.autograd.grad(contrastive.sum(), z1, retain_graph=True)
        self.assertFalse(grad.requires_grad)

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
        z1.requires_grad_(True)
        torch.library.opcheck(OPS.environment_loss.default, (z1, z2, torch.zeros(1, 10, dtype=torch.long), 2, .5, .5), test_utils=checks)

    def test_what_does_not_fit_is_refused(self):
        z1, z2, w = self.batch()
        environment = torch.zeros(1, 10, dtype=torch.long)
        for message, call in (
            ("weights must be", lambda: OPS.partition_risk(z1, z2, w[:5], .5, .5, 1.)),
            ("both be", lambda: OPS.partition_risk(z1, z2[:5], w, .5, .5, 1.)),
            ("one dtype", lambda: OPS.partition_risk(z1, z2, w.float(), .5, .5, 1.)),
            ("float32 or float64", lambda: OPS.partition_risk(z1.half(), z2.half(), w.half(), .5, .5, 1.)),
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
