# SPDX-License-Identifier: Apache-2.0
"""Each loss falls when what it names improves, and is neither 0 nor flat where training works."""

import itertools
import math

import pytest
import torch
from torch.distributions import Normal

from robot_face_gen.facial_reaction_model import BRANCHES
from robot_face_gen.facial_reaction_model.losses import (
    FacialConsistencyLoss,
    FacialContrastiveLoss,
    FacialDiversityLoss,
    FacialSmoothLoss,
    FacialVAELoss,
    clip_means,
)

FRAMES = 100


def seen_in(valid):
    """All values of the frames of a mask (B, T) are seen, no others."""
    return dict.fromkeys(BRANCHES, valid[..., None])


ALWAYS = torch.ones(2, FRAMES, dtype=torch.bool)
VALID = seen_in(ALWAYS)


def wave(*shape, seed=0, roughness=0.02):
    """Smooth random motion (..., T, F) of unit spread with a little noise, as faces have."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(FRAMES)[:, None] / 25
    lead = shape[:-1]
    rate = 0.2 + torch.rand(*lead, 1, shape[-1], generator=generator)
    phase = 6.28 * torch.rand(*lead, 1, shape[-1], generator=generator)
    smooth = 1.4 * torch.sin(6.28 * rate * time + phase)
    return smooth + roughness * torch.randn(smooth.shape, generator=generator)


def face(*lead, seed=0, **options):
    return {
        name: wave(*lead, width, seed=seed + i, **options)
        for i, (name, width) in enumerate(BRANCHES.items())
    }


def mixed(a, b, share):
    return {name: (1 - share) * a[name] + share * b[name] for name in a}


def falls(values):
    assert all(float(b) < 0.98 * float(a) for a, b in itertools.pairwise(values)), values
    assert float(values[-1]) > 0


def test_means_are_clip_by_clip_and_ignore_masked_frames():
    values = torch.ones(2, 3, 4, 5)
    values[0, :, 2:] = 100.0
    mask = torch.tensor([[True, True, False, False], [True] * 4])
    assert clip_means(values, mask).tolist() == [1.0, 1.0]
    assert clip_means(values, torch.zeros_like(mask)).tolist() == [0.0, 0.0]


def test_reconstruction_falls_towards_the_target_and_ignores_masked_frames():
    target, other = face(2), face(2, seed=50)
    q = p = Normal(torch.zeros(2, 7, 8), torch.ones(2, 7, 8))
    loss = FacialVAELoss()
    falls(
        [
            loss(mixed(other, target, share), target, target, VALID, q, p, 16)[0]
            for share in (0.0, 0.3, 0.6, 0.9)
        ]
    )
    half = ALWAYS.clone()
    half[:, 50:] = False
    wrong = {
        name: torch.cat((target[name][:, :50], other[name][:, 50:]), dim=1) for name in target
    }
    assert float(loss(wrong, target, target, seen_in(half), q, p, 16)[1]['reconstruction']) == 0.0
    # What the prior's mean gives counts as well.
    assert float(loss(target, other, target, VALID, q, p, 16)[1]['expectation']) > 0.5


def test_kl_is_summed_over_dimensions_and_pulls_beyond_the_free_bits():
    target = face(2)
    p = Normal(torch.zeros(2, 7, 8), torch.ones(2, 7, 8))
    loss = FacialVAELoss(kl_weight=1.0, free_bits=0.1)

    def at(shift):
        q = Normal(torch.full((2, 7, 8), shift), torch.ones(2, 7, 8))
        return loss(target, target, target, VALID, q, p, 16)

    assert float(at(2.0)[1]['kl']) == pytest.approx(8 * 2.0)  # 2 nats in each of 8 dimensions
    assert float(at(2.0)[0]) == pytest.approx(8 * 2.0 / 16)
    assert float(at(0.1)[0]) == pytest.approx(8 * 0.1 / 16)  # nothing to gain below the free bits
    falls([at(shift)[0] for shift in (3.0, 2.0, 1.0, 0.5)])


def test_kl_is_of_the_posterior_from_the_prior_with_unequal_spreads():
    """KL(q || p) is not KL(p || q) where the spreads differ: from the formula of two normals."""
    target = face(2)
    q = Normal(torch.full((2, 7, 8), 0.5), torch.full((2, 7, 8), 0.5))
    p = Normal(torch.full((2, 7, 8), -0.3), torch.full((2, 7, 8), 2.0))
    each = math.log(2.0 / 0.5) + (0.5**2 + 0.8**2) / (2 * 2.0**2) - 0.5
    reversed_kl = math.log(0.5 / 2.0) + (2.0**2 + 0.8**2) / (2 * 0.5**2) - 0.5
    assert abs(each - reversed_kl) > 1.0
    loss, parts = FacialVAELoss(kl_weight=1.0)(target, target, target, VALID, q, p, 16)
    assert float(parts['kl']) == pytest.approx(8 * each, rel=1e-5)
    assert float(loss) == pytest.approx(8 * each / 16, rel=1e-5)


def test_smooth_falls_with_jitter_and_sees_borders():
    target, samples = face(2), face(2, 3, seed=7)
    loss = FacialSmoothLoss()
    jitter = {
        name: torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
        for name, x in samples.items()
    }
    values = [
        loss({n: samples[n] + size * jitter[n] for n in samples}, target, VALID)
        for size in (0.5, 0.1, 0.05, 0.0)
    ]
    falls(values)
    assert 0.001 < float(values[-1]) < 0.1  # as restless as the real one: about its scale
    jumps = {
        name: x + 0.5 * (torch.arange(FRAMES) // 16 % 2)[:, None] for name, x in samples.items()
    }
    assert float(loss(jumps, target, VALID)) > 2 * float(values[-1])


def test_diversity_falls_as_samples_part_and_has_a_gradient_from_the_start():
    one, many = face(2, 1), face(2, 3, seed=20)
    spread = {name: one[name].expand(-1, 3, -1, -1) for name in one}
    loss = FacialDiversityLoss()
    values = [loss(mixed(spread, many, share)) for share in (0.0, 0.2, 0.5, 0.9)]
    falls(values)
    assert float(values[0]) == pytest.approx(FacialDiversityLoss.scale)
    samples = {n: mixed(spread, many, 0.1)[n].clone().requires_grad_() for n in spread}
    loss(samples).backward()
    assert all(float(x.grad.abs().sum()) > 1e-5 for x in samples.values())


def test_contrastive_falls_towards_the_target_and_with_distance_between_samples():
    target, samples = face(2), face(2, 3, seed=20)
    near = {name: target[name][:, None].expand(-1, 3, -1, -1) for name in target}
    loss = FacialContrastiveLoss()
    falls([loss(mixed(samples, near, share), target, VALID) for share in (0.0, 0.2, 0.4, 0.6)])
    collapsed = {name: x[:, :1].expand(-1, 3, -1, -1) for name, x in samples.items()}
    falls([loss(mixed(collapsed, samples, share), target, VALID) for share in (0.0, 0.5, 1.0)])


def related(seed=0):
    """Faces whose landmarks follow from the other branches."""
    out = face(2, seed=seed)
    causes = torch.cat([out[n] for n in BRANCHES if n != 'landmarks'], dim=-1)
    generator = torch.Generator().manual_seed(99)
    relation = torch.randn(causes.shape[-1], 136, generator=generator) / causes.shape[-1] ** 0.5
    out['landmarks'] = causes @ relation
    return out


def test_consistency_falls_as_landmarks_agree_even_for_a_batch_of_one():
    loss = FacialConsistencyLoss()
    flat = {name: x.flatten(0, 1) for name, x in related().items()}
    assert loss.fit(flat, ridge=1e-6) > 0.99
    agreed = {name: x[:1] for name, x in related(seed=40).items()}
    strange = {**agreed, 'landmarks': face(1, seed=80)['landmarks']}
    falls([loss(mixed(strange, agreed, share)) for share in (0.0, 0.3, 0.6, 0.9)])
    assert float(loss(strange)) > 20 * float(loss(agreed))


def test_losses_of_parts_of_a_batch_average_to_that_of_the_whole():
    target, samples = face(2), face(2, 3, seed=20)
    valid = ALWAYS.clone()
    valid[0, 10:70] = False
    q, p = (Normal(torch.randn(2, 7, 8), torch.rand(2, 7, 8) + 0.5) for _ in range(2))

    def total(rows):
        t, s = ({n: x[rows] for n, x in d.items()} for d in (target, samples))
        mine = [Normal(d.mean[rows], d.stddev[rows]) for d in (q, p)]
        return torch.stack(
            [
                FacialVAELoss()(
                    *({n: x[:, i] for n, x in s.items()} for i in (0, 1)),
                    t,
                    seen_in(valid[rows]),
                    *mine,
                    16,
                )[0],
                FacialSmoothLoss()(s, t, seen_in(valid[rows])),
                FacialDiversityLoss()(s),
                FacialContrastiveLoss()(s, t, seen_in(valid[rows])),
            ]
        )

    parts = (total(slice(0, 1)) + total(slice(1, 2))) / 2
    assert torch.allclose(total(slice(0, 2)), parts, rtol=1e-5)


def with_missing(target):
    """Values of the first clip that were not seen, whose place holds NaN or a wild number."""
    seen = {
        name: torch.ones(2, FRAMES, x.shape[-1], dtype=torch.bool) for name, x in target.items()
    }
    seen['landmarks'] = torch.ones(2, FRAMES, 1, dtype=torch.bool)
    seen['landmarks'][0] = False
    seen['au'][0, :, 4] = False
    seen['pose'][0, 20:40, 1] = False
    wild = {name: torch.where(seen[name], target[name], 1e6) for name in target}
    return seen, {name: torch.where(seen[name], target[name], torch.nan) for name in target}, wild


def test_values_that_were_not_seen_do_not_count():
    target, samples = face(2), face(2, 3, seed=20)
    q = p = Normal(torch.zeros(2, 7, 8), torch.ones(2, 7, 8))
    seen, unknown, wild = with_missing(target)

    def losses(real):
        one, two = ({n: x[:, i] for n, x in samples.items()} for i in (0, 1))
        return torch.stack(
            [
                FacialVAELoss()(one, two, real, seen, q, p, 16)[0],
                FacialSmoothLoss()(samples, real, seen),
                FacialContrastiveLoss()(samples, real, seen),
            ]
        )

    assert torch.isfinite(losses(unknown)).all()
    assert torch.equal(losses(unknown), losses(wild))
    assert torch.equal(
        losses(unknown), losses({n: torch.nan_to_num(x) for n, x in unknown.items()})
    )


def test_a_mean_over_the_values_that_were_seen():
    values = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])  # (B, T, F)
    mask = torch.tensor([[[True, False], [True, True]], [[False, False], [False, True]]])
    assert clip_means(values, mask).tolist() == [pytest.approx(8 / 3), 8.0]
    several = values[:, None].expand(2, 5, 2, 2)
    assert clip_means(several, mask).tolist() == [pytest.approx(8 / 3), 8.0]
    flag = torch.tensor([[[True], [False]], [[False], [False]]])  # of all values of a frame
    assert clip_means(several, flag).tolist() == [1.5, 0.0]


def test_a_branch_that_was_never_seen_leaves_the_distance_of_the_others():
    """Samples at distance 1 from the target in each seen value: near = 1, whatever was seen."""
    target = {name: torch.zeros(1, FRAMES, width) for name, width in BRANCHES.items()}
    samples = {name: torch.ones(1, 2, FRAMES, width) for name, width in BRANCHES.items()}
    loss, expected = FacialContrastiveLoss(), 0.1 * (1 / 1.5 + 0.5)
    seen = seen_in(ALWAYS[:1])
    assert float(loss(samples, target, seen)) == pytest.approx(expected)
    samples['landmarks'] += 50.0
    seen['landmarks'] = ~seen['landmarks']
    assert float(loss(samples, target, seen)) == pytest.approx(expected)
    assert float(FacialSmoothLoss()(face(1, 2), target, seen_in(~ALWAYS[:1]))) == 0.0


def test_jitter_of_a_value_that_was_never_seen_does_not_count():
    target, samples = face(2), face(2, 3, seed=20)
    seen, _, _ = with_missing(target)
    before = FacialSmoothLoss()(samples, target, seen)
    samples['au'][0, ..., 4] += 100 * torch.randn(3, FRAMES)
    samples['landmarks'][0] *= 100
    assert torch.equal(FacialSmoothLoss()(samples, target, seen), before)
    samples['au'][0, ..., 5] += torch.randn(3, FRAMES)
    assert float(FacialSmoothLoss()(samples, target, seen)) > 1.1 * float(before)


def test_consistency_without_a_complete_face_is_off():
    loss = FacialConsistencyLoss()
    assert float(loss(face(2))) > 0.5
    assert loss.fit({name: torch.zeros(0, width) for name, width in BRANCHES.items()}) == 0.0
    assert float(loss(face(2))) == 0.0
