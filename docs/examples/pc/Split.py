import pc_precision as pc

data = pc.load("digits", limit=100)
print(*data._fields)
print(type(data.train).__name__, data.train.images.shape, data.train.labels[:5])

# prints
# info train validation test
# Split (100, 32, 32, 1) [9 4 0 9 9]
