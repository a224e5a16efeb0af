import pc_precision as pc

runs = [pc.Experiment(model="vgg5", algorithm=name) for name in ("BP", "PC", "S+F")]
table = pc.paper.cost_rows(runs)
print(table[["images", "layers", "steps", "operations"]])

# prints
#    images  layers  steps  operations
# 0    1152       5    NaN   967342080
# 1    1152       5    5.0  2307514368
# 2    1152       5    5.0  1986639872
