import pc_precision as pc

space = pc.runs.space(pc.Experiment(model="vgg5", algorithm="S+F"))
for name in ("activation", "x_step", "momentum", "T"):
    print(f"{name:12}{pc.runs.written(space[name])}")

# prints
# activation  [leaky_relu, gelu, hard_tanh, relu]
# x_step      (0.005, 0.9)
# momentum    [0, 1], 0.1
# T           [5, 6, 7, 8]
