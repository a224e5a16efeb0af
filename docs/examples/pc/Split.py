import numpy as np
import pc_precision as pc

train = pc.load("digits", limit=100).train
print(train.images.shape, train.labels[:5])
ones = pc.Split(*(part[train.labels == 1] for part in train))
print(len(ones.images), "images of the digit", *np.unique(ones.labels))

# prints
# (100, 32, 32, 1) [9 4 0 9 9]
# 10 images of the digit 1
