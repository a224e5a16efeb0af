import pc_precision as pc

for profile in ("smoke", "laptop", "paper"):
    runs = pc.paper.items("table1", profile)
    print(f"{profile:7}{len(runs):4} runs, the first on {runs[0].dataset}")
runs = pc.paper.items("table1", "paper", models="vgg5", seeds=0)
print(len(runs), "of them with VGG5 and seed 0")

# prints
# smoke   117 runs, the first on digits
# laptop  162 runs, the first on cifar10
# paper   540 runs, the first on cifar10
# 36 of them with VGG5 and seed 0
