import numpy as np
import pc_precision as pc

draw = np.random.default_rng(0)
points = draw.normal(size=(100, 2))
labels = (points[:, 0] * points[:, 1] > 0).astype(int)
data = pc.dataset("quadrants", (points[:80], labels[:80]), (points[80:], labels[80:]))
print(data.info.classes, "classes, inputs of shape", data.info.image)
print([len(split.labels) for split in data[1:]], "for training, validation, test")

# prints
# 2 classes, inputs of shape (2,)
# [72, 8, 20] for training, validation, test
