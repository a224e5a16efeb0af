"""Train the runs of Tables 1 and 2 on parts of CIFAR-100 and Tiny ImageNet: with every tenth image held back for validation.

usage: python tools/parts.py DATA [--results FOLDER]

DATA holds the sets as TFDS prepares them, but with some of the training images alone: 250 of each class of CIFAR-100, 100 of
each class of Tiny ImageNet.  `pc.load` refuses such sets, so that nobody takes their accuracies for those of the whole sets;
here each is a data set of its own name.  Interrupt it at any time, it goes on where it was; several may run at once.
"""
import argparse
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

import pc_precision as pc
from pc_precision.data import DATASETS, _opened, _read_once, describe_set
from pc_precision.paper.profiles import FIFTH, HALF

# of each set: the item, its parameters, the sum of the training images and labels
PARTS = {"cifar100": ("table1", HALF, "0b05d259bcfa0094"), "tiny_imagenet": ("table2", FIFTH, "9ba918274afb67a2")}


def read(name: str, data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The images and labels to train and to test with, ordered by the images' bytes."""
    builder = _opened(name, data)
    shape, _, last = describe_set(name, builder)
    splits = [_read_once(builder, split, shape) for split in ("train", last)]
    orders = [sorted(range(len(split.labels)), key=lambda i: split.images[i].tobytes()) for split in splits]
    return [(split.images[order], split.labels[order].astype(np.int64)) for split, order in zip(splits, orders)]


def part(name: str, data: Path) -> pc.Dataset:
    """A part of a set, augmented like the whole.

    Raises ValueError if it is not the part that the runs in the store were trained on.
    """
    _, settings, wanted = PARTS[name]
    (images, labels), test = read(name, data)
    found = sha256(images.tobytes() + labels.tobytes()).hexdigest()[:16]
    if found != wanted:
        raise ValueError(f"the {len(labels)} training images of {name} in {data} have the sum {found}, those of the part {wanted}")
    whole = DATASETS[name]
    return pc.dataset(settings["datasets"], (images, labels), test, flip=whole.flip, pad=whole.pad)


def main() -> None:
    """See the top of the file."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("data", type=Path)
    ask.add_argument("--results", type=Path, default=Path("results"))
    args = ask.parse_args()
    pc.machine.keep_warm()
    for name, (item, settings, _) in PARTS.items():
        named = pc.Named(settings["datasets"], part(name, args.data))
        pc.results([replace(exp, dataset=named) for exp in pc.paper.items(item, "laptop", **settings)], args.results)


if __name__ == "__main__":
    main()
