"""The parts of CIFAR-100 and Tiny ImageNet in the store: a name of their own, the images that we had, the runs that the pages look up."""
import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest

import pc_precision as pc
from pc_precision import data
from test_data import fake_images, write_tree
from tools import parts

prepare_module = importlib.import_module("pc_precision.preparation")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    "A folder that holds CIFAR-100 with ten training images of each class, and those images."
    train, test = fake_images(1000, 100, 2), fake_images(100, 100, 3)
    monkeypatch.setitem(data.COUNTS, "cifar100", (1000, 100))
    recipe = replace(prepare_module._RECIPES["cifar100"], train=1000, test=100, md5=None, mean=None)
    names = [f"class{i:02d}" for i in range(100)]
    prepare_module._prepare(recipe, tmp_path, write_tree(tmp_path / "tree", train, test, names))
    monkeypatch.undo()
    return tmp_path, train, test


def test_only_the_images_of_the_stored_runs_are_that_part(folder):
    with pytest.raises(ValueError, match="the 1000 training images of cifar100 in .* have the sum [0-9a-f]{16}, those of the part 0b05"):
        parts.part("cifar100", folder[0])


def test_a_folder_without_the_set_is_told_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar100 is not prepared in"):
        parts.part("cifar100", tmp_path)


def as_pairs(images, labels) -> list:
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels))


def test_a_part_holds_the_images_and_is_augmented_like_the_whole(folder, monkeypatch):
    place, train, test = folder
    (images, labels), _ = parts.read("cifar100", place)
    assert as_pairs(images, labels) == as_pairs(train.images, train.labels)
    accept(monkeypatch, place)
    part = parts.part("cifar100", place)
    assert (part.info.flip, part.info.pad, part.info.classes, part.info.top5) == (True, 4, 100, True)
    assert part.info.name == "cifar100-half" and len(part.validation.labels) == 100
    both = [np.concatenate([getattr(split, name) for split in (part.train, part.validation)]) for name in ("images", "labels")]
    assert as_pairs(*both) == as_pairs(train.images, train.labels)
    assert as_pairs(part.test.images, part.test.labels) == as_pairs(test.images, test.labels)


def accept(monkeypatch, place, **settings) -> None:
    "Let the images in this folder be the part, and its runs those of the item with these settings."
    with pytest.raises(ValueError) as error:
        parts.part("cifar100", place)
    item, known, _ = parts.PARTS["cifar100"]
    found = str(error.value).partition("have the sum ")[2][:16]
    monkeypatch.setattr(parts, "PARTS", {"cifar100": (item, known | settings, found)})


@pytest.mark.slow
def test_the_pages_find_the_runs_that_the_tool_trains(folder, tmp_path, monkeypatch):
    few = dict(models="vgg5", algorithms="BP", batch_norms="none", seeds=0, epochs=1, width=1 / 32, limit=100)
    accept(monkeypatch, folder[0], **few)
    monkeypatch.setattr(sys, "argv", ["parts.py", str(folder[0]), "--results", str(tmp_path / "store")])
    parts.main()
    found = pc.runs.kept(pc.paper.items("table1", "laptop", **parts.HALF | few), tmp_path / "store")
    assert set(found.dataset) == {"cifar100-half"} and {"top1", "top5"} <= set(found.metric)
