import pc_precision as pc

info: pc.DatasetInfo = pc.load("digits", limit=100).info
print(info.name, info.classes, info.image, info.flip)
mean, deviation = info.mean[0], info.std[0]
print(f"normalised by mean {mean:.2f}, deviation {deviation:.2f}")

# prints
# digits 10 (32, 32, 1) False
# normalised by mean 0.31, deviation 0.32
