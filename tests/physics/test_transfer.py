"""The blur operator: self-adjoint, keeps the mean, the same in numpy and torch, one family by strength."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from coldray.degradations import mtf_blend, mtf_power
from coldray.errors import PhysicsError, StrengthError
from coldray.physics import transfer as transfer_module
from coldray.physics.detector import load_detector
from coldray.physics.grids import dct_radial_frequency
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import PARALLEL_PIXELS, TransferOperator, image_of, radial_operator, spectrum_of

PITCH = 0.048
PAIR = DetectorPair(load_detector("gos135"), load_detector("gos34"))
KINDS = [mtf_blend, mtf_power]
IMAGES = arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(-2, 2))
STRENGTHS = st.floats(0, 1)


def blur(shape, strength=1.0, kind=mtf_blend):
    degradation = kind.Degradation(PAIR)
    return radial_operator(lambda f: degradation.transfer(f, strength), shape, PITCH)


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(0, 1, (23, 34))


@given(IMAGES, st.integers(0, 99))
def test_self_adjoint(x, seed):
    y = np.random.default_rng(seed).standard_normal(x.shape)
    h = blur(x.shape)
    assert np.vdot(h(x), y) == pytest.approx(np.vdot(x, h(y)), abs=1e-9)


@given(IMAGES, STRENGTHS)
def test_the_mean_is_kept(x, strength):
    assert blur(x.shape, strength)(x).mean() == pytest.approx(x.mean(), abs=1e-12)


@given(arrays.array_shapes(min_dims=2, max_dims=2, max_side=20), st.floats(-3, 3), STRENGTHS)
def test_a_constant_is_kept(shape, value, strength):
    np.testing.assert_allclose(blur(shape, strength)(np.full(shape, value)), value, atol=1e-12)


@given(IMAGES)
def test_blur_never_adds_energy_and_is_linear(x):
    h = blur(x.shape)
    assert np.linalg.norm(h(x)) <= np.linalg.norm(x) * (1 + 1e-12) + 1e-12
    np.testing.assert_allclose(h(3 * x + 1), 3 * h(x) + 1, atol=1e-11)


def test_borders_do_not_wrap():
    x = np.zeros((64, 64))
    x[:, :4] = 1.0
    out = blur(x.shape)(x)
    assert out[:, 20].mean() > 3 * abs(out[:, -1].mean())
    np.testing.assert_allclose(blur(x.shape)(x[::-1, ::-1]), out[::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_end_points(kind, image):
    np.testing.assert_allclose(blur(image.shape, 0.0, kind)(image), image, atol=1e-13)
    h = radial_operator(PAIR.ratio, image.shape, PITCH)
    np.testing.assert_allclose(blur(image.shape, 1.0, kind)(image), h(image), atol=1e-13)
    assert np.abs(h(image) - image).max() > 0.1


@given(STRENGTHS, STRENGTHS, STRENGTHS)
def test_the_blend_is_affine_in_strength(a, b, share):
    x = np.random.default_rng(1).uniform(0, 1, (12, 17))
    mixed = blur(x.shape, share * a + (1 - share) * b)(x)
    np.testing.assert_allclose(mixed, share * blur(x.shape, a)(x) + (1 - share) * blur(x.shape, b)(x), atol=1e-12)


def test_the_blend_is_no_semigroup_but_the_power_family_is(image):
    def gap(kind):
        half = blur(image.shape, 0.5, kind)
        return np.abs(half(half(image)) - blur(image.shape, 1.0, kind)(image)).max()

    assert gap(mtf_blend) > 0.01
    # gains are looked up on a radial grid of 2^15 points: exact to about 1e-10
    assert gap(mtf_power) < 1e-9


@pytest.mark.parametrize("kind", KINDS)
@given(strength=STRENGTHS, weaker=st.floats(0, 1))
def test_transfer_is_a_contrast_and_falls_with_strength(kind, strength, weaker):
    f = np.linspace(0, 15, 40)
    transfer = kind.Degradation(PAIR).transfer(f, strength)
    assert transfer[0] == 1
    np.testing.assert_allclose(kind.Degradation(PAIR).transfer(f, 1.0), PAIR.ratio(f))
    assert np.all((transfer > 0) & (transfer <= 1))
    assert np.all(kind.Degradation(PAIR).transfer(f, strength * weaker) >= transfer - 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [-1e-9, 1.0000001, 7, float("nan"), float("inf")])
def test_strength_lies_between_0_and_1(kind, strength):
    with pytest.raises(StrengthError, match=r"\[0, 1\]"):
        kind.Degradation(PAIR).transfer(np.ones(2), strength)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_type_is_kept_and_the_input_is_not_touched(dtype, image):
    x = image.astype(dtype)
    before = x.copy()
    out = blur(x.shape)(x)
    assert out.dtype == dtype
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(out, blur(x.shape)(image), atol=1e-6)


def test_integers_are_refused_rather_than_filtered_with_a_rounded_gain(image):
    with pytest.raises(PhysicsError, match="float"):
        blur(image.shape)((image * 1000).astype(np.uint16))


def test_a_stack_is_filtered_frame_by_frame(image):
    h = blur(image.shape)
    stack = np.stack([image, image[::-1]])
    np.testing.assert_allclose(h(stack), np.stack([h(image), h(image[::-1])]), atol=1e-13)


def test_large_images_take_the_threaded_path_with_the_same_result():
    x = np.random.default_rng(0).uniform(0, 1, (1024, PARALLEL_PIXELS // 1024)).astype(np.float32)
    h = blur(x.shape)
    assert abs(float(h(x).mean(dtype=np.float64) - x.mean(dtype=np.float64))) < 1e-6
    np.testing.assert_allclose(h(np.stack([x[::-1], x]))[1], h(x), atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (16, 16), (23, 34)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_and_torch_agree(torch, shape, dtype):
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(dtype)
    h = blur(shape)
    out = h(torch.from_numpy(x)[None, None])
    assert out.dtype == getattr(torch, dtype)
    assert out.shape == (1, 1, *shape)
    np.testing.assert_allclose(out[0, 0].numpy(), h(x), atol=2e-6 if dtype == "float32" else 1e-12)


@pytest.mark.torch
def test_the_gradient_is_the_operator_itself(torch, image):
    h = blur(image.shape)
    x = torch.from_numpy(image).requires_grad_()
    weight = np.random.default_rng(1).standard_normal(image.shape)
    (h(x) * torch.from_numpy(weight)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), h(weight), atol=1e-12)


@pytest.mark.parametrize("shape", [(23, 34), (1, 200), (700, 800)])
def test_gains_looked_up_along_the_radius_are_those_of_the_transfer_function(shape):
    gain = radial_operator(PAIR.ratio, shape, PITCH).transfer
    assert gain[0, 0] == 1
    exact = PAIR.ratio(dct_radial_frequency(shape, PITCH))
    # a look-up misses only the kinks of the tabulated curve, and those by less than its slope over one step
    np.testing.assert_allclose(gain, exact, rtol=0, atol=1e-5)
    assert np.sqrt(np.mean((gain - exact) ** 2)) < 3e-7


def test_refusals(image):
    with pytest.raises(PhysicsError, match="acts on"):
        blur((8, 9))(image)
    for wrong in (np.ones(4), np.full((2, 2), np.nan)):
        with pytest.raises(PhysicsError, match="finite 2-D"):
            TransferOperator(wrong)


def test_an_operator_of_the_same_function_is_found_again_and_cannot_be_changed(monkeypatch):
    made = []
    lookup = transfer_module._gains
    monkeypatch.setattr(transfer_module, "_gains", lambda *given: made.append(0) or lookup(*given))
    own = transfer_module.Operators()
    first = radial_operator(lambda f: np.exp(-f), (40, 56), 0.05, own)
    assert radial_operator(lambda g: np.exp(-g), (40, 56), 0.05, own) is first
    assert len(made) == 1
    for other in ((lambda f: np.exp(-1.001 * f), (40, 56), 0.05), (lambda f: np.exp(-f), (56, 40), 0.05)):
        assert radial_operator(*other, own) is not first
    with pytest.raises(ValueError, match="read-only"):
        first.transfer[0, 0] = 2.0


def test_operators_are_kept_within_their_bytes():
    own = transfer_module.Operators(3 * 32 * 32 * 8)
    made = [radial_operator(lambda f, k=k: np.exp(-k * f), (32, 32), 0.05, own) for k in range(6)]
    again = [radial_operator(lambda f, k=k: np.exp(-k * f), (32, 32), 0.05, own) for k in (3, 4, 5, 0)]
    assert [one is other for one, other in zip(again, [*made[3:], made[0]], strict=True)] == [True, True, True, False]
    large = [radial_operator(lambda f: np.exp(-f), (64, 64), 0.05, own) for _ in range(2)]
    assert large[0] is not large[1], "one that is too large for it is not kept"


def test_a_spectrum_at_hand_gives_the_bits_of_the_image():
    image = np.random.default_rng(0).normal(size=(33, 47)).astype(np.float32)
    operator = radial_operator(lambda f: np.exp(-0.2 * f), image.shape, 0.05)
    spectrum = spectrum_of(image)
    before = spectrum.copy()
    np.testing.assert_array_equal(operator.of_spectrum(spectrum), operator(image))
    np.testing.assert_array_equal(spectrum, before)


@pytest.mark.parametrize("shape", [(37, 53), (64, 32), (2, 37, 53)])
def test_transforms_in_blocks_are_those_in_one_piece(shape, monkeypatch):
    image = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    gain = np.random.default_rng(3).uniform(0, 1, shape[-2:]).astype(np.float32)
    before, whole = image.copy(), spectrum_of(image)
    filtered = image_of(whole * gain)
    monkeypatch.setattr(transfer_module, "PARALLEL_PIXELS", 1)
    found = []
    monkeypatch.setattr(transfer_module, "BLOCK_PIXELS", 1)
    for block, threads in ((4, "1"), (4, "3"), (64, "2"), (16, "4")):
        monkeypatch.setattr(transfer_module, "BLOCK", block)
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        spectrum = spectrum_of(image)
        np.testing.assert_array_equal(image, before, "the image is left as it is")
        np.testing.assert_allclose(spectrum, whole, rtol=0, atol=4e-6)
        np.testing.assert_allclose(image_of(spectrum.copy()), image, rtol=0, atol=4e-6)
        found.append(image_of(spectrum, gain))
        np.testing.assert_allclose(found[-1], filtered, rtol=0, atol=4e-6)
    assert all(np.array_equal(found[0], one) for one in found[1:]), "no bit depends on blocks or threads"
    for kind in (np.float16, np.float64):
        assert spectrum_of(image.astype(kind)).dtype == (np.float64 if kind == np.float64 else np.float32)
