import pc_precision as pc

runs = pc.paper.grid("smoke", models="vgg5", algorithms=["PC", "S+F (energy)"],
                     batch_norms=["none", "freeze"], seeds=[0, 1])
print(len(runs), "runs, a first number of every cell early:")
for exp in runs[:4]:
    print(exp.seed, exp.algorithm, exp.reading, exp.batch_norm)

# prints
# 8 runs, a first number of every cell early:
# 0 PC activity None
# 0 S+F energy None
# 0 PC activity freeze
# 0 S+F energy freeze
