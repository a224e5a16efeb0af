"""Data: expectations from closed forms, from slow references and from the published numbers of the real sets."""
import hashlib
import importlib
import http.server
import io
import json
import os
import pickle
import struct
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from pc_precision import data
from pc_precision.data import Split, augment, check_images, check_labels, load, normalise
from pc_precision.preparation import prepare

prepare_module = importlib.import_module("pc_precision.preparation")

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
HERE = (REAL / "realdata.py").is_file()
real = pytest.mark.skipif(not HERE, reason="the real image sets are not beside the checkout")
TEN = "airplane automobile bird cat deer dog frog horse ship truck".split()


def same(a: Split, b: Split) -> bool:
    return all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b))


# Normalisation

def test_table_4_as_printed():
    printed = {"cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), 4),
               "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761), 4),
               "tiny_imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 8)}
    for name, row in printed.items():
        info = data.DATASETS[name]
        assert (info.mean, info.std, info.pad) == row and info.flip
    assert [(d.name, d.classes, d.image) for d in data.DATASETS.values()] == [
        ("digits", 10, (32, 32, 1)), ("cifar10", 10, (32, 32, 3)), ("cifar100", 100, (32, 32, 3)),
        ("tiny_imagenet", 200, (64, 64, 3))]


def test_normalise_is_its_formula_for_every_grey_level():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
    got = normalise(jnp.asarray(images), mean, std)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, (images.astype(np.float64) / 255 - mean) / std, atol=1e-6)


@pytest.mark.parametrize("dtype, relative", [("float64", 1e-15), ("float32", 1e-6), ("bfloat16", 1e-2)])
def test_normalise_computes_in_the_type_that_is_named_or_in_jaxs_default(dtype, relative, x64):
    images = np.arange(0, 256, 5, dtype=np.uint8).reshape(1, 4, 13, 1)
    got = normalise(jnp.asarray(images), (0.5,), (0.25,), dtype)
    assert got.dtype == dtype
    assert np.abs(np.asarray(got, np.float64) - (images / 255 - 0.5) / 0.25).max() <= 4 * relative
    assert normalise(images, (0.5,), (0.25,)).dtype == jnp.float64          # of `x64`, and of an array of numpy's
    with jax.enable_x64(False):
        assert normalise(images, (0.5,), (0.25,)).dtype == jnp.float32


# Augmentation

in_jit = jax.jit(augment, static_argnums=(2, 3))


def coordinates(batch: int, height: int, width: int) -> jax.Array:
    """Images whose pixel (i, j) is (i + 1, j + 1): 0 is left for the padding."""
    grid = np.stack(np.meshgrid(np.arange(height) + 1, np.arange(width) + 1, indexing="ij"), -1)
    return jnp.asarray(np.repeat(grid[None].astype(np.uint8), batch, 0))


def draws(out: np.ndarray, pad: int) -> tuple[np.ndarray, ...]:
    """(mirrored, row offset, column offset) of augmented coordinate images, offsets counted from 0 to 2 pad."""
    h, w = out.shape[1:3]
    row, col = out[:, h // 2, w // 2].astype(int).T
    mirrored = out[:, h // 2, w // 2 + 1, 1].astype(int) < col
    place = np.where(mirrored, w - col, col - 1)
    return mirrored, row - 1 - h // 2 + pad, place - w // 2 + pad


@pytest.mark.parametrize("shape, pad", [((14, 14), 4), ((12, 18), 3)])
def test_augment_is_one_of_the_mirrored_crops_of_the_black_padded_image(shape, pad):
    images = coordinates(200, *shape)
    out = np.asarray(in_jit(jax.random.key(3), images, True, pad))
    assert out.dtype == np.uint8 and out.shape == images.shape
    for image, got, mirrored, i, j in zip(np.asarray(images), out, *draws(out, pad)):
        padded = np.pad(image[:, ::-1] if mirrored else image, ((pad, pad), (pad, pad), (0, 0)))
        np.testing.assert_array_equal(got, padded[i:i + shape[0], j:j + shape[1]])


@pytest.mark.parametrize("flip", [True, False])
def test_augment_draws_every_crop_equally_often(flip):
    pad, count = 4, 32_400
    mirrored, i, j = draws(np.asarray(in_jit(jax.random.key(0), coordinates(count, 12, 12), flip, pad)), pad)
    cells = np.bincount((mirrored * 9 + i) * 9 + j, minlength=162)
    assert len(cells) == 162
    if not flip:
        assert not mirrored.any()
        cells = cells[:81]
    expected = count / len(cells)
    chi2 = np.sum((cells - expected) ** 2) / expected
    low, high = stats.chi2.ppf([1e-4, 1 - 1e-4], len(cells) - 1)
    assert low < chi2 < high  # too even is as wrong as too uneven


def test_augment_keeps_images_apart():
    batch = np.arange(1, 129, dtype=np.uint8)
    constant = jnp.asarray(np.broadcast_to(batch[:, None, None, None], (128, 10, 10, 3)))
    out = np.asarray(in_jit(jax.random.key(5), constant, True, 4))
    assert ((out == batch[:, None, None, None]) | (out == 0)).all() and (out == 0).any()


def test_augment_depends_on_its_key_alone():
    images = coordinates(64, 12, 12)
    first = np.asarray(in_jit(jax.random.key(7), images, True, 4))
    np.testing.assert_array_equal(first, in_jit(jax.random.key(7), images, True, 4))
    assert not np.array_equal(first, in_jit(jax.random.key(8), images, True, 4))
    np.testing.assert_array_equal(in_jit(jax.random.key(7), images, False, 0), images)
    # the two draws of one image are independent: neighbours in a batch do not repeat one another
    assert len({image.tobytes() for image in first}) > 40


def test_padding_enters_the_network_as_black():
    info = data.DATASETS["cifar10"]
    white = jnp.full((64, 8, 8, 3), 255, jnp.uint8)
    seen = np.asarray(normalise(in_jit(jax.random.key(0), white, False, 4), info.mean, info.std))
    levels = np.unique(seen[..., 0])
    np.testing.assert_allclose(levels, [-0.4914 / 0.2023, (1 - 0.4914) / 0.2023], rtol=1e-6)


# Checks

def test_check_images():
    for good in (np.zeros((2, 3), np.uint8), np.zeros((2, 4, 4, 1), np.float32), jnp.ones((2, 3), jnp.bfloat16)):
        assert check_images(good) is good
    for bad in (np.array([[0.0, np.nan]]), np.array([[np.inf]], np.float32), jnp.array([[jnp.nan]])):
        with pytest.raises(ValueError, match="NaN or infinite"):
            check_images(bad)
    for bad in (np.zeros((2, 3), np.int32), np.zeros(3, np.uint8), np.zeros((2, 2), object)):
        with pytest.raises(ValueError, match="uint8 or float"):
            check_images(bad)


def test_check_labels():
    good = np.array([0, 9, 3])
    assert check_labels(good, 10) is good
    for bad, said in ((np.array([0, 10]), "0..9, got values from 0 to 10"), (np.array([-1, 3]), "from -1 to 3"),
                      (np.array([0.0, 1.0]), "integer array"), (np.array([[1, 0]]), "integer array")):
        with pytest.raises(ValueError, match=said):
            check_labels(bad, 10)


# The split rule

def uneven(seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3, dtype=np.int32), (50, 31, 19))
    return Split(rng.integers(0, 256, (100, 3, 3, 1), np.uint8), labels)


def keys(split: Split) -> list:
    return [(hashlib.sha256(i.tobytes()).hexdigest(), int(y)) for i, y in zip(*split)]


def test_quotas_go_to_the_largest_remainders():
    labels = np.repeat([0, 1, 2], (50, 31, 19))
    assert data._quotas(labels, 10).tolist() == [5, 3, 2]  # 5, 3.1, 1.9
    assert data._quotas(labels, 25).tolist() == [12, 8, 5]  # 12.5, 7.75, 4.75
    assert data._quotas(labels, 100).tolist() == [50, 31, 19]


def test_parts_are_the_ends_of_each_class_in_the_order_of_the_hashes():
    everything = keys(uneven())
    first, rest = data._cut(data._sorted(uneven()), 10)
    last = data._limited(rest, 18)  # of 45, 28, 17: 9, 5.6, 3.4
    smallest = {k for label, n in enumerate((5, 3, 2)) for k in sorted(k for k in everything if k[1] == label)[:n]}
    largest = {k for label, n in enumerate((9, 6, 3)) for k in sorted(k for k in everything if k[1] == label)[-n:]}
    assert keys(first) == sorted(smallest) and keys(last) == sorted(largest)
    assert keys(rest) == sorted(set(everything) - smallest)


def test_parts_are_shuffled_by_one_permutation():
    assert sorted(keys(data._shuffled(uneven()))) == sorted(keys(uneven()))
    # the stream of RandomState is frozen, and this is its first permutation of five
    assert data._shuffled(Split(np.zeros((5, 1, 1, 1), np.uint8), np.arange(5))).labels.tolist() == [2, 0, 1, 3, 4]
    for part in load("digits")[1:]:  # every piece of a part looks like the whole: ten classes in any hundred images
        assert all(len(set(part.labels[i:i + 100])) == 10 for i in range(0, len(part.labels) - 100, 100))


def test_parts_do_not_depend_on_the_order_of_the_files():
    order = np.random.default_rng(1).permutation(100)
    shuffled = data._where(uneven(), order)
    for a, b in zip(data._cut(data._sorted(uneven()), 10), data._cut(data._sorted(shuffled), 10)):
        assert same(a, b)
    twins = Split(np.zeros((4, 2, 2, 1), np.uint8), np.array([2, 0, 1, 0], np.int32))  # equal pixels, several labels
    assert data._sorted(twins).labels.tolist() == [0, 0, 1, 2]


# The digits

def test_digits_are_the_uci_digits():
    with np.load(Path(data.__file__).parent / "assets" / "digits.npz") as stored:
        images, labels = stored["images"], stored["labels"]
    assert images.shape == (1797, 8, 8) and images.dtype == np.uint8 and (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # the test part's table
    assert labels[:10].tolist() == list(range(10))
    assert images[0, :2].tolist() == [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]
    assert "CC BY 4.0" in (Path(data.__file__).parent / "assets" / "DIGITS_LICENSE.txt").read_text()


def test_digits_split():
    digits = load("digits")
    counts = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    for part, size in (("train", 1152), ("validation", 285), ("test", 360)):
        images, labels = getattr(digits, part)
        assert images.shape == (size, 32, 32, 1) and images.dtype == np.uint8 and labels.dtype == np.int32
        assert np.abs(np.bincount(labels) - size * counts / 1797).max() < 1.5  # stratified twice, rounded twice
    seen = [set(keys(part)) for part in digits[1:]]
    assert len(seen[0] | seen[1] | seen[2]) == sum(map(len, seen)) == 1797


def test_digits_mean_and_deviation_are_those_of_the_training_images():
    digits = load("digits")
    pixels = digits.train.images / 255.0
    assert digits.info.mean == (round(pixels.mean(), 4),) and digits.info.std == (round(pixels.std(), 4),)


def test_enlargement_is_bilinear():
    """Against exact fractions, one pixel at a time."""
    values = np.random.default_rng(0).integers(0, 17, (8, 8), np.uint8)

    def tap(i):
        at = min(max((Fraction(2 * i + 1, 2)) / 4 - Fraction(1, 2), Fraction(0)), Fraction(7))
        low = min(int(at), 6)
        return ((low, 1 - (at - low)), (low + 1, at - low))

    got = data._enlarge(values[None])[0, ..., 0]
    for i in range(32):
        for j in range(32):
            assert got[i, j] == round(sum(a * b * int(values[r, c]) for r, a in tap(i) for c, b in tap(j)) * 255 / 16)
    constant = data._enlarge(np.arange(17, dtype=np.uint8)[:, None, None] * np.ones((8, 8), np.uint8))
    np.testing.assert_array_equal(constant[:, 5, 5, 0], [round(Fraction(255 * v, 16)) for v in range(17)])


def test_limit_leaves_validation_and_test_alone():
    whole, some = load("digits"), load("digits", limit=200)
    assert same(whole.validation, some.validation) and same(whole.test, some.test) and len(some.train.labels) == 200
    assert np.abs(np.bincount(some.train.labels) - 20).max() <= 1
    assert set(keys(some.train)) < set(keys(whole.train))
    assert same(load("digits", limit=1152).train, whole.train)
    for bad in (0, -1, 1153, 10.5, True, "all"):
        with pytest.raises(ValueError, match="limit must be None or a whole number from 1 to 1152"):
            load("digits", limit=bad)


# Small fakes of the real sets

def png_bytes(pixels: np.ndarray, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format)
    return buffer.getvalue()


def fake_images(count: int, classes: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count, dtype=np.int32) % classes)
    return Split(rng.integers(0, 256, (count, 32, 32, 3), np.uint8), labels)


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, as in the official batches."""
    dispatch = dict(pickle._Pickler.dispatch)

    def save_str2(self, text):
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)
        self.memoize(text)

    dispatch[bytes] = save_str2


def python2_pickle(value) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, 2).dump(value)
    return buffer.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def batch(part: Split, **keys_and_labels) -> bytes:
    planes = np.ascontiguousarray(part.images.transpose(0, 3, 1, 2)).reshape(len(part.labels), -1)
    names = {key.encode(): [int(v) for v in labels] for key, labels in keys_and_labels.items()}
    return python2_pickle({b"batch_label": b"a batch", b"data": planes, **names})


def write_batches(folder: Path, train: Split, test: Split) -> Path:
    """cifar-10-batches-py as in the official archive."""
    folder.mkdir(parents=True)
    for i, rows in enumerate(np.array_split(np.arange(len(train.labels)), 5), 1):
        part = data._where(train, rows)
        (folder / f"data_batch_{i}").write_bytes(batch(part, labels=part.labels))
    (folder / "test_batch").write_bytes(batch(test, labels=test.labels))
    (folder / "batches.meta").write_bytes(python2_pickle({b"label_names": [name.encode() for name in TEN]}))
    return folder


def write_tree(folder: Path, train: Split, test: Split, classes: list) -> Path:
    for split, part in (("train", train), ("test", test)):
        for i, (image, label) in enumerate(zip(*part)):
            path = folder / split / classes[label] / f"{i:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png_bytes(image))
    return folder


def write_tar(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def published_mean(train: Split) -> tuple:
    return tuple((train.images.astype(np.float64).mean((0, 1, 2)) / 255).round(8).tolist())


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A CIFAR-10 of 40 + 20 images: (recipe, folder of batches, train, test)."""
    train, test = fake_images(40, 10, 0), fake_images(20, 10, 1)
    monkeypatch.setitem(data.COUNTS, "cifar10", (40, 20))
    recipe = replace(prepare_module._RECIPES["cifar10"], train=40, test=20, md5=None, mean=published_mean(train))
    return recipe, write_batches(tmp_path / "cifar-10-batches-py", train, test), train, test


def expect(dataset, train: Split, test: Split) -> None:
    """The set holds these images, its validation a tenth of them."""
    assert sorted(keys(dataset.test)) == sorted(keys(test))
    assert sorted(keys(dataset.train) + keys(dataset.validation)) == sorted(keys(train))
    assert len(dataset.validation.labels) == len(train.labels) // 10


# Preparing

def test_three_sources_one_set(fake, tmp_path):
    recipe, batches, train, test = fake
    archive = write_tar(batches, tmp_path / "cifar-10-python.tar.gz")
    tree = write_tree(tmp_path / "tree", train, test, TEN)
    loaded = []
    for i, (source, checked) in enumerate([(batches, recipe), (batches.parent, recipe),
                                           (archive, replace(recipe, md5=md5(archive))), (tree, recipe)]):
        path = prepare_module._prepare(checked, tmp_path / f"out{i}", source)
        assert path == tmp_path / f"out{i}" / "cifar10" / "3.0.2"
        loaded.append(load("cifar10", tmp_path / f"out{i}"))
        expect(loaded[-1], train, test)
    for other in loaded[1:]:
        assert all(same(a, b) for a, b in zip(loaded[0][1:], other[1:]))
    assert loaded[0].info is data.DATASETS["cifar10"]


def test_tfds_reads_what_prepare_wrote_under_the_stock_name(fake, tmp_path):
    import tensorflow_datasets as tfds
    recipe, batches, train, test = fake
    prepare_module._prepare(recipe, tmp_path / "out", batches)
    rows = tfds.data_source("cifar10", split="test", data_dir=str(tmp_path / "out"), download=False)
    found = {row["id"]: row for row in rows}
    assert sorted(found) == [f"test_{i:05d}".encode() for i in range(20)]
    for i, (image, label) in enumerate(zip(*test)):
        row = found[f"test_{i:05d}".encode()]
        assert row["label"] == label and np.array_equal(row["image"], image)
    names = tfds.builder("cifar10", data_dir=str(tmp_path / "out")).info.features["label"].names
    assert names == TEN
    assert "tensorflow" not in sys.modules


def test_cifar100_fine_and_coarse_labels(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds
    train, test = fake_images(1000, 100, 2), fake_images(100, 100, 3)
    monkeypatch.setitem(data.COUNTS, "cifar100", (1000, 100))
    recipe = replace(prepare_module._RECIPES["cifar100"], train=1000, test=100, md5=None, mean=None)
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name, part in (("train", train), ("test", test)):
        (folder / name).write_bytes(batch(part, fine_labels=part.labels, coarse_labels=part.labels // 5))
    fine, coarse = [f"fine{i:02d}" for i in range(100)], [f"coarse{i:02d}" for i in range(20)]
    (folder / "meta").write_bytes(python2_pickle({b"fine_label_names": [n.encode() for n in fine],
                                                  b"coarse_label_names": [n.encode() for n in coarse]}))
    prepare_module._prepare(recipe, tmp_path / "out", folder)
    prepare_module._prepare(recipe, tmp_path / "out2", write_tree(tmp_path / "tree", train, test, fine))
    for out in ("out", "out2"):
        dataset = load("cifar100", tmp_path / out)
        expect(dataset, train, test)
        assert dataset.info.top5 and dataset.info.classes == 100
    rows, unknown = (tfds.data_source("cifar100", split="train", data_dir=str(tmp_path / out), download=False)
                     for out in ("out", "out2"))
    assert all(row["coarse_label"] == row["label"] // 5 for row in rows)
    assert {row["coarse_label"] for row in unknown} == {-1}  # a folder does not know them


def test_prepared_once(fake, tmp_path, monkeypatch):
    recipe, batches, *_ = fake
    path = prepare_module._prepare(recipe, tmp_path / "out", batches)
    before = {p.name: p.stat().st_mtime_ns for p in path.iterdir()}
    assert prepare_module._prepare(recipe, tmp_path / "out", tmp_path / "nothing") == path  # the source is not even looked at
    assert {p.name: p.stat().st_mtime_ns for p in path.iterdir()} == before
    with pytest.raises(ValueError, match="is not the whole cifar10.*50000 training.*delete that folder"):
        prepare("cifar10", tmp_path / "out")


def refused(recipe, source, out: Path, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        prepare_module._prepare(recipe, out, source)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="not prepared"):
        load(recipe.name, out)


def test_damaged_archive(fake, tmp_path):
    recipe, batches, *_ = fake
    archive = write_tar(batches, tmp_path / "cifar-10-python.tar.gz")
    whole = archive.read_bytes()
    recipe = replace(recipe, md5=md5(archive))
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:]
    for damage in (whole[:middle], flipped, b"", b"<html>404</html>"):
        archive.write_bytes(damage)
        refused(recipe, archive, tmp_path / "out", f"MD5 {md5(archive)}, the published one is {recipe.md5}")
        refused(replace(recipe, md5=None), archive, tmp_path / "out", "cannot be read as cifar10|not the original")


def test_the_official_archives_have_their_published_md5(tmp_path):
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(b"half a download")
    for name, published in (("cifar10", "c58f30108f718f92721af3b95e74349a"),
                            ("cifar100", "eb9058c3a382ffc7106e4002c42a8d85")):
        with pytest.raises(ValueError, match=f"the published one is {published}: the archive is truncated or altered"):
            prepare(name, tmp_path / "out", archive)


def test_wrong_counts_and_altered_pixels(fake, tmp_path):
    recipe, _, train, test = fake
    for name, parts, said in (
            ("fewer", (data._where(train, slice(1, None)), test), "has 39 images, 3 to 4 a class; it must have 40"),
            ("twice", (train, Split(*(np.concatenate([part] * 2) for part in test))), "test has 40"),
            ("labels", (Split(train.images, train.labels // 2 * 2), test), "train has 40 images, 0 to 8"),
            ("eleven", (Split(train.images, train.labels + 1), test), "0..9, got values from 1 to 10"),
            ("pixels", (Split(np.where(train.images > 250, 250, train.images).astype(np.uint8), train.labels), test),
             "not the original cifar10: the training pixels have the means")):
        refused(recipe, write_batches(tmp_path / name, *parts), tmp_path / "out", said)


def test_damaged_folder(fake, tmp_path):
    recipe, batches, *_ = fake
    whole = (batches / "data_batch_3").read_bytes()
    (batches / "data_batch_3").write_bytes(whole[:-2000])
    refused(recipe, batches, tmp_path / "out", "truncated, altered or something else")
    (batches / "data_batch_3").unlink()
    refused(recipe, batches, tmp_path / "out", "data_batch_3")
    (tmp_path / "empty").mkdir()
    refused(recipe, tmp_path / "empty", tmp_path / "out", "batches.meta")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_a_pickle_may_only_hold_arrays(fake, tmp_path, monkeypatch):
    recipe, batches, *_ = fake
    monkeypatch.chdir(tmp_path)
    (batches / "test_batch").write_bytes(pickle.dumps({"data": Trap(), "labels": []}, 2))
    refused(recipe, batches, tmp_path / "out", "the pickle asks for .*mkdir")
    assert not (tmp_path / "sprung").exists()


def test_damaged_png_tree(fake, tmp_path):
    recipe, _, train, test = fake
    tree = write_tree(tmp_path / "tree", train, test, TEN)
    victim = next((tree / "train").rglob("*.png"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:len(whole) // 2])
    refused(recipe, tree, tmp_path / "out", f"{victim.name} is no whole image")
    victim.write_bytes(png_bytes(np.zeros((16, 16, 3), np.uint8)))
    refused(recipe, tree, tmp_path / "out", r"\(16, 16, 3\), not \(32, 32, 3\)")
    victim.unlink()
    refused(recipe, tree, tmp_path / "out", "train has 39 images")


class Killed(BaseException):
    """Nothing in the library catches this, as nothing catches a kill."""


def test_killed_half_way(fake, tmp_path, monkeypatch):
    recipe, batches, train, test = fake

    def half(raw, with_coarse):
        for i, row in zip(range(10), rows(raw, with_coarse)):
            yield row
        raise Killed

    rows = prepare_module._rows
    for function, broken in (("_rows", half), ("_check_prepared", lambda *_: (_ for _ in ()).throw(Killed()))):
        with monkeypatch.context() as patch:
            patch.setattr(prepare_module, function, broken)
            with pytest.raises(Killed):
                prepare_module._prepare(recipe, tmp_path / "out", batches)
        with pytest.raises(FileNotFoundError, match="not prepared"):
            load("cifar10", tmp_path / "out")
    prepare_module._prepare(recipe, tmp_path / "out", batches)
    expect(load("cifar10", tmp_path / "out"), train, test)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) in ([".cifar10.lock", "cifar10"], ["cifar10"])


# Tiny ImageNet

WNIDS = [f"n{i:08d}" for i in range(200)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A Tiny ImageNet of 400 + 200 images in its official layout, some grey: (recipe, folder)."""
    folder = tmp_path_factory.mktemp("tiny") / "tiny-imagenet-200"
    rng = np.random.default_rng(0)
    order = rng.permutation(200)
    notes = []
    for i in range(600):
        label, grey = order[i % 200], i % 50 == 0
        data_ = png_bytes(rng.integers(0, 256, (64, 64) if grey else (64, 64, 3), np.uint8), "JPEG")
        train = folder / "train" / WNIDS[label] / "images" / f"{WNIDS[label]}_{i}.JPEG"
        path = train if i < 400 else folder / "val" / "images" / f"val_{i}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data_)
        notes += [] if i < 400 else [f"{path.name}\t{WNIDS[label]}\t0\t0\t62\t62\n"]
    (folder / "val" / "val_annotations.txt").write_text("".join(notes))
    (folder / "wnids.txt").write_text("\n".join(WNIDS[i] for i in order))
    (folder / "words.txt").write_text("".join(f"{w}\tthing {w}, object\n" for w in WNIDS))
    return replace(prepare_module._RECIPES["tiny_imagenet"], train=400, test=200), folder


def write_zip(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder, folder.name)
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


def test_tiny_imagenet_from_folder_and_zip(tiny, tmp_path, monkeypatch):
    import tensorflow_datasets as tfds
    recipe, folder = tiny
    monkeypatch.setitem(data.COUNTS, "tiny_imagenet", (400, 200))
    manual = tmp_path / "out2" / "downloads" / "manual"
    manual.mkdir(parents=True)
    prepare_module._prepare(recipe, tmp_path / "out1", folder)
    write_zip(folder, manual / "tiny-imagenet-200.zip")
    prepare_module._prepare(recipe, tmp_path / "out2", None)
    one, two = load("tiny_imagenet", tmp_path / "out1"), load("tiny_imagenet", tmp_path / "out2")
    assert all(same(a, b) for a, b in zip(one[1:], two[1:]))
    assert [len(p.labels) for p in one[1:]] == [360, 40, 200] and one.info.pad == 8
    expected = {}
    for line in (folder / "val" / "val_annotations.txt").read_text().splitlines():
        file, wnid = line.split("\t")[:2]
        pixels = np.asarray(Image.open(folder / "val" / "images" / file).convert("RGB"))
        expected[pixels.tobytes()] = WNIDS.index(wnid)
    assert {i.tobytes(): y for i, y in zip(*one.test)} == expected
    info = tfds.builder("tiny_imagenet", data_dir=str(tmp_path / "out1")).info
    assert info.features["label"].names == WNIDS and info.metadata["words"][WNIDS[7]] == f"thing {WNIDS[7]}, object"


def test_tiny_validation_files_sorted_into_class_folders(tiny):
    recipe, folder = tiny
    names = ["train/n1/images/a.JPEG", "train/n2/b.JPEG", "val/n2/c.JPEG", "val/n1/images/d.JPEG"]
    assert prepare_module._tiny_pairs(names, None) == {"train": [(names[0], "n1"), (names[1], "n2")],
                                             "validation": [(names[2], "n2"), (names[3], "n1")]}


def test_damaged_tiny_imagenet(tiny, tmp_path):
    recipe, folder = tiny
    archive = write_zip(folder, tmp_path / "tiny-imagenet-200.zip")
    whole = archive.read_bytes()
    spot = whole.index(b"\xff\xda") + 100  # within the first picture
    for damage in (whole[:len(whole) // 2], whole[:spot] + bytes([whole[spot] ^ 1]) + whole[spot + 1:], b"PK"):
        archive.write_bytes(damage)
        refused(recipe, archive, tmp_path / "out", "truncated, altered or something else")
    refused(replace(recipe, train=100_000), folder, tmp_path / "out", "400 images, 2 to 2 a class; it must have 100000")
    with pytest.raises(ValueError, match="train has 400 images"):
        prepare("tiny_imagenet", tmp_path / "out", folder)


# Where the source comes from

def test_prepare_names_and_sources(tmp_path):
    for name, said in (("digits", "come with the package"), ("cifar_10", "did you mean 'cifar10'"),
                       ("svhn", "by TFDS, as array_record")):
        with pytest.raises(ValueError, match=said):
            prepare(name, tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file or folder .*nothing.tar.gz"):
        prepare("cifar10", tmp_path, tmp_path / "nothing.tar.gz")


def test_no_network_is_said_within_seconds(fake, tmp_path):
    recipe = replace(fake[0], url="http://127.0.0.1:9/cifar-10-python.tar.gz")  # nobody listens there
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="cannot be reached .*pass its path as `source`"):
        prepare_module._prepare(recipe, tmp_path / "out", None)
    assert time.monotonic() - start < 10


def test_download(fake, tmp_path):
    recipe, batches, train, test = fake
    archive = write_tar(batches, tmp_path / "cifar-10-python.tar.gz")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
        prepare_module._prepare(replace(recipe, url=url, md5=md5(archive)), tmp_path / "out", None)
        server.shutdown()
    expect(load("cifar10", tmp_path / "out"), train, test)


# Loading

def test_missing_and_misspelt_sets(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as caught:
        load("cifar10", tmp_path)
    assert str(caught.value) == (f"cifar10 is not prepared in {tmp_path}: prepare it once with "
                                 f'pc.prepare("cifar10", "{tmp_path}")')
    with pytest.raises(ValueError, match="'cifer10' is neither one of digits, .*; did you mean 'cifar10'"):
        load("cifer10", tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        load("cifar100")


def test_part_of_a_named_set_is_refused(fake, tmp_path, monkeypatch):
    recipe, batches, *_ = fake
    prepare_module._prepare(recipe, tmp_path / "out", batches)
    monkeypatch.setitem(data.COUNTS, "cifar10", (50_000, 10_000))
    with pytest.raises(ValueError, match="not the whole cifar10: .* 40 training and 20 test .* must hold .* 50000"):
        load("cifar10", tmp_path / "out")


def own_set(folder: Path, labels, feature=None, shape=(10, 12, 1), train="train", test="test") -> None:
    """A set that is none of ours, prepared by TFDS."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered
    rng = np.random.default_rng(0)

    def rows(n):
        for i in range(n):
            pixels = rng.integers(0, 256, (10, 12), np.uint8)
            yield i, {"image": png_bytes(pixels), "label": labels[i % len(labels)]}

    with registered.skip_registration():
        class Glyphs(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("2.1.0")

            def _info(self):
                info = tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({
                    "image": tfds.features.Image(shape=shape, encoding_format="png"),
                    "label": feature or tfds.features.ClassLabel(num_classes=3)}))
                info.initialize_from_bucket = lambda: None   # which leaves a temporary folder behind
                return info

            def _split_generators(self, dl_manager):
                return {train: rows(60), test: rows(30)}

            def _generate_examples(self):
                raise NotImplementedError

    Glyphs(data_dir=str(folder), file_format="array_record").download_and_prepare()


def test_any_prepared_classification_set(tmp_path):
    own_set(tmp_path, [0, 1, 2], test="validation")
    glyphs = load("glyphs", tmp_path)
    info = glyphs.info
    assert (info.name, info.classes, info.image) == ("glyphs", 3, (10, 12, 1))
    assert (info.flip, info.pad, info.top5) == (False, 0, False)
    assert [np.bincount(p.labels).tolist() for p in glyphs[1:]] == [[18] * 3, [2] * 3, [10] * 3]
    pixels = glyphs.train.images / 255.0
    np.testing.assert_allclose([info.mean[0], info.std[0]], [pixels.mean(), pixels.std()], rtol=1e-12)
    assert load("glyphs", tmp_path, limit=9).info == info  # statistics do not depend on the limit


def test_sets_that_cannot_be_used(tmp_path):
    import tensorflow_datasets as tfds
    own_set(tmp_path / "a", [0, -1])
    own_set(tmp_path / "b", [1], feature=tfds.features.Scalar(np.int64))
    own_set(tmp_path / "c", [0, 1], shape=(None, None, 1))
    own_set(tmp_path / "d", [0, 1], train="first")
    own_set(tmp_path / "e", [0, 1])
    info = tmp_path / "e" / "glyphs" / "2.1.0" / "dataset_info.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"fileFormat": "tfrecord"}))
    for folder, said in (("a", r"labels must lie in 0..2, got values from -1 to 0"), ("b", "not a classification set"),
                         ("c", r"one fixed shape \(H, W, C\)"), ("d", "needs the splits 'train' and 'test'"),
                         ("e", "not stored as array_record")):
        with pytest.raises(ValueError, match=said):
            load("glyphs", tmp_path / folder)


def test_damaged_records(fake, tmp_path):
    recipe, batches, *_ = fake
    path = prepare_module._prepare(recipe, tmp_path / "out", batches)
    records = next(path.glob("cifar10-train*"))
    for victim in (records, path / "features.json", path / "dataset_info.json"):
        whole = victim.read_bytes()
        middle = len(whole) // 2
        for damage in (whole[:middle], b"", whole[:middle] + b"}" * 8 + whole[middle + 8:], None):
            victim.write_bytes(damage) if damage is not None else victim.unlink()
            if damage is None and victim.name == "dataset_info.json":
                break  # without it the folder is no prepared set at all
            with pytest.raises(ValueError, match="is damaged or not a prepared set, delete that folder"):
                load("cifar10", tmp_path / "out")
        victim.write_bytes(whole)


def test_decoded_copy_is_kept_and_never_trusted_blindly(fake, tmp_path, monkeypatch):
    recipe, batches, train, test = fake
    path = prepare_module._prepare(recipe, tmp_path / "out", batches)
    first = load("cifar10", tmp_path / "out")
    kept = path / "train.decoded.npz"
    whole = kept.read_bytes()
    with monkeypatch.context() as patch:  # the second time nothing is decoded
        patch.setattr(data, "decoded_image", None)
        assert same(load("cifar10", tmp_path / "out").train, first.train)
    for damage in (whole[:1000], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], b""):
        kept.write_bytes(damage)
        assert same(load("cifar10", tmp_path / "out").train, first.train)
        assert kept.read_bytes() == whole  # made anew
    os.utime(kept, (1, 1))  # older than the records
    assert data._kept(kept, 40) is None
    assert not list(path.glob("*.partial"))


@pytest.mark.parametrize("reader", ["without tensorflow-datasets", "without records"])
def test_the_decoded_arrays_of_a_named_set_are_enough(fake, tmp_path, monkeypatch, reader):
    recipe, batches, *_ = fake
    path = prepare_module._prepare(recipe, tmp_path / "out", batches)
    first = load("cifar10", tmp_path / "out")
    copy = tmp_path / "copy" / "cifar10" / "1.0.0"
    copy.mkdir(parents=True)
    for split in ("train", "test"):
        shutil.copy(path / f"{split}.decoded.npz", copy)
    if reader == "without tensorflow-datasets":
        monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
        assert same(load("cifar10", tmp_path / "out").train, first.train)        # the prepared folder, too
    again = load("cifar10", tmp_path / "copy")
    assert again.info == first.info and all(same(a, b) for a, b in zip(again[1:], first[1:]))
    whole = (copy / "test.decoded.npz").read_bytes()
    for damage in (whole[:-200], whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:], b""):
        (copy / "test.decoded.npz").write_bytes(damage)
        with pytest.raises(FileNotFoundError, match="does not hold the whole cifar10 as train.decoded.npz and test.decoded.npz"):
            load("cifar10", tmp_path / "copy")
    with pytest.raises(FileNotFoundError, match="cifar10 is not prepared in"):
        load("cifar10", tmp_path / "nowhere")


def test_importing_and_the_digits_need_no_tfds():
    code = ("import sys, pc_precision.data as d; d.load('digits'); "
            "print([m for m in ('tensorflow', 'tensorflow_datasets', 'PIL', 'matplotlib') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The real sets

@pytest.fixture(scope="session")
def real_cifar10(tmp_path_factory):
    """A data_dir with the real CIFAR-10."""
    out = tmp_path_factory.mktemp("tfds")
    subprocess.run([sys.executable, REAL / "realdata.py", "tfds", out, "cifar10"], check=True, capture_output=True)
    return out


@real
@pytest.mark.slow
def test_real_cifar10(real_cifar10):
    start = time.process_time()  # other processes do not count
    first = load("cifar10", real_cifar10)
    decoding = time.process_time() - start
    again = load("cifar10", real_cifar10, limit=1000)
    assert decoding < 60 and time.process_time() - start - decoding < decoding / 2
    for part, each in ((first.train, 4500), (first.validation, 500), (first.test, 1000), (again.train, 100)):
        assert np.bincount(part.labels).tolist() == [each] * 10
    official = np.concatenate([first.train.images, first.validation.images])
    np.testing.assert_allclose(data.statistics(official)[0], (0.49139968, 0.48215841, 0.44653091), atol=1e-6)
    np.testing.assert_allclose(data.statistics(official)[1], (0.24703223, 0.24348513, 0.26158784), atol=1e-6)
    assert len(set(keys(first.train)) | set(keys(first.validation)) | set(keys(first.test))) == 60_000


@real
@pytest.mark.slow
def test_our_builder_on_the_real_cifar10(real_cifar10, tmp_path):
    """The official layout, rebuilt with the real images in another order, gives the same arrays."""
    dataset = load("cifar10", real_cifar10)
    train = Split(*(np.concatenate(pair) for pair in zip(dataset.validation, dataset.train)))
    prepare("cifar10", tmp_path / "out", write_batches(tmp_path / "cifar-10-batches-py", train, dataset.test))
    ours = load("cifar10", tmp_path / "out")
    assert all(same(a, b) for a, b in zip(ours[1:], dataset[1:]))


@pytest.mark.parametrize("raised", [MemoryError(), Image.DecompressionBombError("180,000,000 pixels")])
def test_an_image_that_unpacks_to_more_than_memory_holds_is_told_in_one_sentence(raised, monkeypatch):
    monkeypatch.setattr(prepare_module, "decoded_image", lambda *_: (_ for _ in ()).throw(raised))
    with pytest.raises(ValueError, match="train/0.png is no whole image") as said:
        prepare_module._whole_image("train/0.png", b"", (2, 2, 3))
    assert "\n" not in str(said.value)
