import pc_precision as pc

own = pc.vgg([16, 16, "P", 32, 32, "P"], activation="relu", batch_norm="ema")
for net in (pc.vgg("vgg5"), own):
    count = pc.paper.parameter_count(net, (32, 32, 3))
    print(len(net), "layers,", count, "parameters")

# prints
# 5 layers, 3843850 parameters
# 5 layers, 37338 parameters
