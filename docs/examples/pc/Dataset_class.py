import numpy as np
import pc_precision as pc

def below_five(split):
    keep = split.labels < 5
    return split._replace(images=split.images[keep], labels=split.labels[keep])

data = pc.load("digits", limit=64)
few = pc.Dataset(data.info, *map(below_five, data[1:]))
for name, split in zip(few._fields[1:], few[1:]):
    print(f"{name:11}{split.images.shape} {split.images.dtype}")
print("training images of each class:", np.bincount(few.train.labels))

# prints
# train      (33, 32, 32, 1) uint8
# validation (143, 32, 32, 1) uint8
# test       (181, 32, 32, 1) uint8
# training images of each class: [6 7 6 7 7]
