# The operators' definitions in plain PyTorch, on any device: what they are compared with, in values and in speed.
"""All are stable at any temperature, as the operators are. "eager" forms take the penalty's inner gradient and then the outer one
by autograd, as people write it (double backward); closed_partition_risk has formulas in their place."""
import torch


def unit(n, d, dtype=torch.float32):
    """n random rows of length 1."""
    return torch.nn.functional.normalize(torch.randn(n, d, dtype=torch.float64)).to(dtype)


def error(found, expected):
    """The largest difference, relative to the largest expected value (0 where nothing was expected and nothing found)."""
    expected = expected.double()
    difference = (found.double() - expected).abs().max().item()
    return difference / (expected.abs().max().item() or 1.)


def position_columns(n, device=None):
    """(2n, 2n-1): for each view its positive, then its negatives in order."""
    i = torch.arange(2 * n, device=device).unsqueeze(1)
    positive = (i + n) % (2 * n)
    j = torch.arange(2 * n, device=device).expand(2 * n, 2 * n)
    return torch.cat([positive, j[(j != i) & (j != positive)].view(2 * n, 2 * n - 2)], 1)


def gradient_of_ones(loss_at, logits):
    """The gradient of loss_at(logits * ones) in the ones, (1, columns), which multiply column by column; part of the graph."""
    ones = torch.ones(1, logits.shape[1], dtype=logits.dtype, device=logits.device, requires_grad=True)
    return torch.autograd.grad(loss_at(logits * ones), ones, create_graph=True)[0]


def soft_contrastive(logits, u, columns, nonorm=False):
    """METHOD 5's contrastive_e of one environment with view weights u."""
    negatives = u[columns[:, 1:]]
    scaled = negatives * ((logits.shape[0] - 2) / negatives.sum(1, keepdim=True))
    weighted = torch.cat([logits[:, :1], logits[:, 1:] + scaled.log()], 1)
    return (u * -torch.log_softmax(weighted, 1)[:, 0]).sum() / (len(u) if nonorm else u.sum())


def risk_of(weights, irm_weight, terms_of):
    """(contrastive, penalty, gradient in the weights), with terms_of(w_e) -> contrastive_e, penalty_e."""
    w = weights.detach().clone().requires_grad_(True)
    contrastive, penalty = (torch.stack(terms) for terms in zip(*[terms_of(w[:, e]) for e in range(w.shape[1])]))
    grad = torch.autograd.grad(contrastive.mean() + irm_weight * penalty.mean(), w)[0]
    return contrastive.detach(), penalty.detach(), grad


def eager_partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm=False):
    n = len(weights)
    z = torch.cat([z1, z2])
    columns = position_columns(n, z.device)
    logits = (z @ z.t()).gather(1, columns)

    def terms_of(w):
        u = w.repeat(2)
        g = gradient_of_ones(lambda l: soft_contrastive(l, u, columns, nonorm), logits / irm_temperature)
        return soft_contrastive(logits / temperature, u, columns, nonorm), g.square().sum()

    return risk_of(weights, irm_weight, terms_of)


def closed_partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight):
    """METHOD 10 in whole matrices, its letters: no graph. For T' = T and a temperature at which nothing overflows."""
    assert temperature == irm_temperature
    (n, num_env), m = weights.shape, 2 * len(weights)
    z, u = torch.cat([z1, z2]), weights.repeat(2, 1)
    i = torch.arange(m, device=z.device)
    logits = z @ z.t() / temperature
    own = logits[i, (i + n) % m].unsqueeze(1)
    e = logits.exp()
    e[i, i] = e[i, (i + n) % m] = 0
    h = e * logits
    # Columns stand one place further in rows of later samples than in those of earlier ones.
    later, earlier = h * (i.unsqueeze(1) % n > i % n), h * (i.unsqueeze(1) % n < i % n)
    at_later, at_earlier = i + (i < n).long(), i - (i >= n).long()
    s = u.sum(0)
    rest = s - 2 * u
    a, c = u / s, (m - 2) / rest
    sums = e @ u
    d = own.exp() + c * sums
    share, loss, b = own.exp() / d, d.log() - own, a * c / d
    from_later, from_earlier = later.t() @ b, earlier.t() @ b
    g = torch.zeros(m, num_env, dtype=z.dtype, device=z.device)
    g.index_add_(0, at_later, u * from_later).index_add_(0, at_earlier, u * from_earlier)
    g[0] += (a * (share - 1) * own).sum(0)
    r_later, r_earlier, tau = g[at_later], g[at_earlier], 2 * irm_weight * g[0]
    db = 2 * irm_weight * (later @ (r_later * u) + earlier @ (r_earlier * u))
    da = loss + tau * (share - 1) * own + db * c / d
    dd = a / d * (1 - tau * share * own - db * c / d)
    dw = -(dd * sums + db * a / d) * (m - 2) / rest**2
    grad = 2 * irm_weight * (from_later * r_later + from_earlier * r_earlier) + e.t() @ (dd * c)
    grad += da / s - 2 * dw + dw.sum(0) - (da * u).sum(0) / s**2
    return (a * loss).sum(0), g.square().sum(0), (grad[:n] + grad[n:]) / num_env


def eager_partition_risk_mixup(z1, z2, weights, lam, partner, temperature, irm_weight, nonorm=False):
    """METHOD 6; partner None: the offline form."""
    n = len(weights)
    logits = z1 @ z2.t() / temperature
    own = torch.eye(n, dtype=torch.bool, device=z1.device)

    def contrastive_of(l, w):
        others = w.expand(n, n).masked_fill(own, 0)
        scaled = (others * ((n - 1) / others.sum(1, keepdim=True))).masked_fill(own, 1)
        log_q = torch.log_softmax(l + scaled.log(), 1)
        if partner is None:
            return -(w * lam * log_q.diagonal()).sum() / (n if nonorm else w.sum())
        at_partner = log_q.gather(1, partner.unsqueeze(1)).squeeze(1)
        mean = -(lam * log_q.diagonal() + (1 - lam) * at_partner).mean()
        return mean * w.sum() / n if nonorm else mean

    def terms_of(w):
        return contrastive_of(logits, w), gradient_of_ones(lambda l: contrastive_of(l, w), logits).square().sum()

    return risk_of(weights, irm_weight, terms_of)


def eager_environment_loss(z1, z2, environment, num_env, temperature, irm_temperature, analytic=False):
    """METHOD 4: each environment of each partition on its own. analytic: a formula for the inner gradient."""
    contrastive, penalty = [], []
    for partition in environment:
        for e in range(num_env):
            members = (partition == e).nonzero().squeeze(1)
            n = len(members)
            if n < 2:
                contrastive.append(z1.new_zeros(()))
                penalty.append(z1.new_zeros(()))
                continue
            z = torch.cat([z1[members], z2[members]])
            logits = (z @ z.t()).gather(1, position_columns(n, z.device))
            target = torch.zeros(2 * n, dtype=torch.long, device=z.device)
            contrastive.append(torch.nn.functional.cross_entropy(logits / temperature, target))
            at_irm = logits / irm_temperature
            if analytic:
                g = ((torch.softmax(at_irm, 1) - torch.eye(1, 2 * n - 1, dtype=z.dtype, device=z.device)) * at_irm).mean(0)
            else:
                g = gradient_of_ones(lambda l, t=target: torch.nn.functional.cross_entropy(l, t), at_irm)
            penalty.append(g.square().sum())
    shape = (len(environment), num_env)
    return torch.stack(contrastive).view(shape), torch.stack(penalty).view(shape)
