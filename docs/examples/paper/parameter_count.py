import pc_precision as pc

for name in ("vgg5", "vgg10"):
    count = pc.paper.parameter_count(pc.vgg(name, classes=10), image=(32, 32, 3))
    print(f"{name}: {count / 1e6:.1f} million parameters")

# prints
# vgg5: 3.8 million parameters
# vgg10: 3.6 million parameters
