import pc_precision as pc

space = pc.runs.space(pc.Experiment(model="vgg7", algorithm="D+F"), k=[1.0])
for name, distribution in space.items():
    print(f"{name:15}{pc.runs.written(distribution)}")

# prints
# activation     [leaky_relu, gelu, hard_tanh, relu]
# k              [1.0]
# x_step         (0.005, 0.9)
# learning_rate  (1e-05, 0.03)
# momentum       [0, 1], 0.1
# weight_decay   (1e-05, 0.01)
# T              [7, 9, 11, 13]
