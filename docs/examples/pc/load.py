import pc_precision as pc

info, train, validation, test = pc.load("digits", limit=64)
print(train.images.shape, train.images.dtype, train.labels[:5])
print(len(validation.labels), "for validation and", len(test.labels), "to test on")
try:
    pc.load("cifar10", "DIR")
except FileNotFoundError as error:
    print(error)

# prints
# (64, 32, 32, 1) uint8 [8 9 9 1 5]
# 285 for validation and 360 to test on
# cifar10 is not prepared in DIR: prepare it once with pc.prepare("cifar10", "DIR")
