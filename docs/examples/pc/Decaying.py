import numpy as np
import pc_precision as pc

precision = 1 / np.asarray(pc.Decaying(k=1.0)(T=4, L=3), float)
print(precision.round(2))
print("a column sums to", precision.sum(0).round(2))

# prints
# [[0.   0.   0.64]
#  [0.   0.67 0.24]
#  [0.73 0.24 0.09]
#  [0.27 0.09 0.03]]
# a column sums to [1. 1. 1.]
