"""Parts of images: a crop, a border, a turn and a paste are found; a shared form accuses nobody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ingest import prints, verdict
from ingest.fingerprint import image_geometry, image_keys, image_parts
from ingest.fingerprint.image_geometry import Alignment
from ingest.fingerprint.image_parts import Parts
from ingest.prints import Prints
from ingest.verdict import Kind, Verdict
from provenance.admin import evidence as shown
from provenance.models import Overlap, Party
from tests.bench import pictures
from tests.bench.pictures import Picture
from tests.ingest.conftest import ingest, sealed, zipped
from tests.ingest.test_screening import encoded, image_dataset


def scene(seed: int, size: tuple[int, int] = (420, 300)) -> Picture:
    """Many shapes, unlike any other seed's."""
    return pictures.scene(np.random.default_rng(seed), size)


def of(picture: Picture) -> Prints:
    return prints.of_image(pictures.png(picture))


def parts(picture: Picture) -> Parts:
    return image_parts.parts(np.asarray(picture.convert("RGB")))


def judged(copy: Picture, original: Picture) -> Verdict | None:
    return verdict.judge(of(copy), of(original))


def shares_keys(later: Prints, earlier: Prints) -> bool:
    probed = image_keys.probe_keys(later.parts[prints.PARTS])
    stored = image_keys.stored_keys(earlier.parts[prints.PARTS])
    return len(np.intersect1d(probed, stored)) >= image_keys.LEAST_SHARED


COPIES: dict[str, tuple[Kind, Callable[[Picture], Picture]]] = {
    "cropped to half": (Kind.CONTAINED, lambda p: p.crop((40, 30, 340, 240))),
    "edges cut": (Kind.NEAR, lambda p: pictures.edges_cut(p, 0.05)),
    "turned a little": (Kind.NEAR, lambda p: pictures.turned(p, 5)),
    "turned by 15, enlarged": (Kind.NEAR, lambda p: pictures.turned(p, 15, expand=True)),
    "cropped and mirrored": (
        Kind.CONTAINED,
        lambda p: pictures.mirrored(p.crop((40, 30, 340, 240))),
    ),
    "cropped, turned and recoded": (
        Kind.CONTAINED,
        lambda p: pictures.recoded(
            p.crop((0, 60, 300, 290)).transpose(Image.Transpose.ROTATE_90), 40
        ),
    ),
    "framed": (Kind.NEAR, lambda p: pictures.padded(p, 0.15, "navy")),
    "captioned": (Kind.NEAR, pictures.captioned),
    "pasted into another": (
        Kind.CONTAINED,
        lambda p: pictures.pasted(p, scene(900), 0.25, np.random.default_rng(1)),
    ),
    "a part pasted into another": (
        Kind.CONTAINED,
        lambda p: pictures.pasted(
            p.crop((60, 40, 360, 260)), scene(901), 0.3, np.random.default_rng(2)
        ),
    ),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_part_of_a_picture_is_found_and_holds(name: str):
    kind, made = COPIES[name]
    original = scene(1)
    later, earlier = of(made(original)), of(original)
    assert shares_keys(later, earlier), "its keys would not find it"
    found = verdict.judge(later, earlier)
    assert found is not None
    assert (found.kind, found.holds) == (kind, True), found


def test_different_scenes_are_not_matched():
    made = [of(scene(seed)) for seed in range(6)]
    assert [pair for pair in combinations(made, 2) if verdict.judge(*pair)] == []


@pytest.mark.parametrize("name", pictures.DRAWN)
def test_a_shared_form_with_other_content_is_not_accused(name: str):
    dice = np.random.default_rng(11)
    made = [of(pictures.DRAWN[name](dice)) for _ in range(4)]
    found = [verdict.judge(*pair) for pair in combinations(made, 2)]
    assert [one for one in found if one is not None and one.holds] == []


FULL = Alignment(
    agreeing=200, support=0.8, evenness=1.0, alike=1.0, blocks=80, later_share=0.6,
    earlier_share=0.6, frames=0.3, later_region=(0, 0, 1, 1), earlier_region=(0, 0, 1, 1),
    is_mirrored=False,
)  # fmt: skip


@pytest.mark.parametrize(
    "lacking",
    [
        {"agreeing": 11},
        {"support": 0.11},
        {"evenness": 0.59},
        {"alike": 0.74},
        {"later_share": 0.07, "earlier_share": 0.07},
    ],
    ids=["few agree", "little support", "in places only", "other light", "small"],
)
def test_an_alignment_that_lacks_one_thing_is_no_match_however_good_the_rest(
    lacking: dict[str, float],
):
    found = verdict.images.judge_alignment(FULL)
    assert found is not None
    assert found.holds
    assert verdict.images.judge_alignment(FULL._replace(**lacking)) is None


def test_a_doubtful_alignment_is_possible_and_holds_nothing():
    found = verdict.images.judge_alignment(FULL._replace(support=0.2, evenness=0.75, alike=0.8))
    assert found is not None
    assert verdict.images.LEAST_SCORE <= found.score < verdict.images.HOLDS_SCORE
    assert not found.holds


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_one_logo_on_two_pictures_does_not_make_them_alike(share: float):
    logo = scene(50, (300, 120)).convert("RGBA")
    marked = [pictures.watermarked(scene(seed), logo, share, False) for seed in (21, 22)]
    found = judged(*marked)
    assert found is None or share > 0.3
    # A logo that fills a good part of both is a part they share: the region says which.
    if found is not None:
        assert found.kind == Kind.CONTAINED
        assert found.counted["later_region"][0] > 0.3


def test_the_region_says_where_the_part_is_in_both_pictures():
    original, host = scene(5, (400, 300)), scene(6, (400, 300))
    host.paste(original.crop((100, 50, 300, 200)), (180, 120))
    found = judged(host, original)
    assert found is not None
    left, top, right, bottom = found.counted["later_region"]
    assert (left, top, right, bottom) == pytest.approx((0.45, 0.40, 0.95, 0.90), abs=0.12)
    assert found.counted["earlier_region"] == pytest.approx([0.25, 1 / 6, 0.75, 2 / 3], abs=0.12)


def test_the_region_of_a_mirrored_part_is_where_it_stands():
    original = scene(7, (400, 300))
    flipped = pictures.mirrored(original)
    piece = Image.new("RGB", (400, 300), "white")
    piece.paste(flipped.crop((0, 0, 200, 300)), (0, 0))
    found = judged(piece, original)
    assert found is not None
    assert found.counted["is_mirrored"]
    assert found.counted["later_region"][2] < 0.55
    assert found.counted["earlier_region"][0] > 0.45


def test_parts_mirror_without_the_pixels():
    own = scene(3)
    computed, seen = image_parts.mirrored(parts(own)), parts(pictures.mirrored(own))
    mine, theirs = image_geometry.like_features(computed, seen)
    apart = np.abs(computed.places[mine] - seen.places[theirs]).max(axis=1)
    assert (apart < 0.01).sum() > 0.6 * len(seen.places)
    assert np.array_equal(image_parts.mirrored(computed).roots, parts(own).roots)


def test_parts_come_back_as_they_were_packed():
    own = parts(scene(4))
    again = image_parts.unpacked(image_parts.packed(own))
    assert np.abs(again.places - own.places).max() < 2e-5
    assert np.abs(np.log(again.sizes / own.sizes)).max() < 0.016
    turn = np.abs((again.angles - own.angles + np.pi) % (2 * np.pi) - np.pi)
    assert turn.max() < 0.013
    for name in ("roots", "light", "inner_hashes"):
        assert np.array_equal(getattr(again, name), getattr(own, name))
    assert (again.width, again.height, again.inner_quality) == (420, 300, own.inner_quality)


@pytest.mark.parametrize("size", [(400, 400), (1200, 900), (90, 120), (300, 12), (3, 3)])
def test_a_sketch_is_bounded(size: tuple[int, int]):
    made = image_parts.sketch(np.asarray(scene(9, (1200, 1200)).resize(size)))
    assert len(made) <= 31_000


def test_a_plain_picture_has_no_parts():
    assert image_parts.sketch(np.full((200, 300, 3), 90, np.uint8)) == b""
    assert prints.PARTS not in of(Image.new("RGB", (300, 200), "navy")).parts


def test_a_picture_registered_before_parts_were_kept_is_compared_by_its_hashes():
    original = scene(8)
    before = of(original)
    before = replace(before, parts={prints.PDQ: before.parts[prints.PDQ]})
    found = verdict.judge(of(pictures.recoded(original, 60)), before)
    assert found is not None
    assert (found.kind, found.holds) == (Kind.NEAR, True)
    assert verdict.judge(of(original.crop((40, 30, 340, 240))), before) is None


def test_what_is_inside_a_border_is_hashed_too():
    original = np.asarray(pictures.halved(scene(2)))
    framed = np.asarray(pictures.padded(Image.fromarray(original), 0.2, "white"))
    assert image_parts.inside_border(framed).shape == original.shape
    assert image_parts.inside_border(original) is original
    plain = np.zeros((60, 60, 3), np.uint8)
    assert image_parts.inside_border(plain) is plain


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.just(128)),
                     elements=st.integers(0, 15)))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_a_probe_tries_the_stored_key_of_every_feature(roots):
    own = parts(Image.new("RGB", (16, 16)))._replace(roots=roots)
    stored, probed = image_keys.feature_keys(own, 0), image_keys.feature_keys(own, 3)
    assert len(probed) == 8 * len(stored)
    assert set(stored.tolist()) <= set(probed.tolist())
    assert probed.max() < 2**36
    of_each = probed.reshape(8, -1)
    assert np.bitwise_count(of_each ^ stored).max() <= 3
    assert all(len(np.unique(tried)) == 8 for tried in of_each.T)


def test_the_keys_of_a_picture_are_few_and_fit_the_index():
    part = image_parts.sketch(np.asarray(scene(12)))
    stored, probed = image_keys.stored_keys(part), image_keys.probe_keys(part)
    assert len(stored) <= 316
    assert len(probed) <= 3_728
    assert max(stored.max(), probed.max()) < 2**48


def test_the_same_pictures_are_always_aligned_alike():
    one, other = parts(scene(13).crop((0, 0, 300, 300))), parts(scene(13))
    assert image_geometry.align(one, other) == image_geometry.align(one, other)


def test_opencv_is_loaded_when_needed_and_on_one_thread():
    code = (
        "import sys; from ingest.fingerprint import image_parts, image_keys, image_geometry; "
        "assert 'cv2' not in sys.modules; print(image_parts.vision().getNumThreads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.django_db(transaction=True)
def test_crops_and_pastes_are_found_among_registered_pictures(ada: Party, ben: Party):
    ours = {f"{seed}.png": encoded(scene(seed), "PNG") for seed in range(4)}
    first = sealed(image_dataset(ada, "photos"), zipped(ours), "photos.zip")
    collage = scene(70)
    collage.paste(scene(2).resize((210, 150)), (180, 120))
    theirs = {
        "crop.jpg": encoded(scene(1).crop((100, 40, 380, 250)), "JPEG", quality=70),
        "collage.png": encoded(collage, "PNG"),
        "new.png": encoded(scene(71), "PNG"),
    }
    upload = ingest(image_dataset(ben, "found"), zipped(theirs), "found.zip")
    overlap = Overlap.objects.get(later=upload.version, earlier=first)
    found = {match.later.key: match for match in overlap.matches.select_related("later", "earlier")}
    assert {key: match.earlier.key for key, match in found.items()} == {
        "crop.jpg": "1.png",
        "collage.png": "2.png",
    }
    assert all(match.holds and match.kind == "contained" for match in found.values())
    region = shown._region(found["collage.png"].evidence["later_region"])
    assert region is not None
    assert (region.left, region.top) == pytest.approx((180 / 420, 120 / 300), abs=0.12)
    assert (region.width, region.height) == pytest.approx((0.5, 0.5), abs=0.14)
