import textwrap
import pc_precision as pc

# in a clone: results/ holds the runs of Table 1 at the profile smoke
runs = pc.paper.items("table1", "smoke", algorithms=["BP", "PC", "S+F"])
figure = pc.paper.depth_figure(pc.runs.kept(runs, "results"))
print(textwrap.fill(figure.get_label(), 80))

# prints
# Test accuracy against the number of layers. digits, without BatchNorm, BP: 5
# layers: 97 %, 7 layers: 96 %, 10 layers: 95 %. digits, without BatchNorm, PC: 5
# layers: 97 %, 7 layers: 93 %, 10 layers: 15 %. digits, without BatchNorm, S+F
# (activity): 5 layers: 97 %, 7 layers: 96 %, 10 layers: 95 %. digits, without
# BatchNorm, S+F (energy): 5 layers: 97 %, 7 layers: 97 %, 10 layers: 94 %.
