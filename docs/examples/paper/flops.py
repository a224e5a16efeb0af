import pc_precision as pc

net = pc.vgg("vgg5")
for rule in ("bp", "pc", "forward"):
    print(f"{rule:8}{pc.paper.flops(net, (32, 32, 3), rule) / 1e9:.2f} GFLOP an image")
dense = pc.paper.flops(net, (32, 32, 3), "pc", dense=True)
print(f"without the light cone {dense / 1e9:.2f}")

# prints
# bp      0.98 GFLOP an image
# pc      2.32 GFLOP an image
# forward 2.00 GFLOP an image
# without the light cone 3.86
