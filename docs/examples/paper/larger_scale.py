import pc_precision as pc

# in a clone: results/ holds the runs of Figure 2 at the profile laptop
given = dict(seed=0, algorithms=["BP", "PC", "S+F"])
frame = pc.paper.larger_scale("smoke", "results", "fig2", **given)
runs = frame.drop_duplicates("key")
print(runs[["dataset", "model", "algorithm"]].to_string(index=False))
nothing = pc.paper.larger_scale("paper", "results", "fig2", **given)

# prints
# dataset model algorithm
# cifar10 vgg10        BP
# cifar10 vgg10        PC
# cifar10 vgg10       S+F
# Profile paper is the largest.
