import pc_precision as pc

base = pc.Experiment(model="vgg5", algorithm="S+F", epochs=25)
plan = pc.runs.Search(base, trials=50)
print(plan.name)
for name, distribution in plan.space.items():
    print(f"{name:15}{pc.runs.written(distribution)}")

# prints
# digits_vgg5_S+F_none_ede78939
# activation     [leaky_relu, gelu, hard_tanh, relu]
# x_step         (0.005, 0.9)
# learning_rate  (1e-05, 0.03)
# momentum       [0, 1], 0.1
# weight_decay   (1e-05, 0.01)
# T              [5, 6, 7, 8]
