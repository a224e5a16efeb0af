import pc_precision as pc

# in a clone: results/ holds the runs of Table 1 at the profile smoke
runs = pc.paper.items("table1", "smoke", algorithms=["BP", "PC", "S+F"])
frame = pc.runs.kept(runs, "results")
table = pc.paper.accuracy_table(frame[frame["model"].str.startswith("mlp")])
print(table.droplevel("dataset"))

# prints
#                         MLP5          MLP7                   MLP10
# algorithm
# BP              96.94 ± 0.48  96.39 ± 0.83            94.72 ± 1.94
# PC              97.13 ± 0.16  92.59 ± 1.58  15.19 (10.00 to 25.28)
# S+F (activity)  96.57 ± 0.42  96.11 ± 0.73            95.37 ± 0.58
# S+F (energy)    96.85 ± 0.32  96.67 ± 0.00            93.80 ± 0.89
