import pc_precision as pc

for name in ("BP", "PC", "D+F", "S+F", "S+F-CN", "ePC", "iPC"):
    recipe = pc.ALGORITHMS[name]
    parts = recipe.schedule, recipe.rule, recipe.nudging, recipe.inference
    print(f"{name:7}", ", ".join(parts))
print(len(pc.ALGORITHMS), "algorithms")

# prints
# BP      constant, forward, none, sweep
# PC      constant, pc, none, cone
# D+F     decaying, forward, none, cone
# S+F     spiking, forward, none, cone
# S+F-CN  spiking, forward, centre, cone
# ePC     constant, pc, none, error_coordinates
# iPC     constant, pc, none, dense
# 20 algorithms
