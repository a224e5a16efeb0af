import pc_precision as pc

# in a clone: results/ holds the runs of Table 1 at the profile smoke
frame = pc.runs.kept(pc.paper.items("table1", "smoke"), "results")
mlps = frame[frame["model"].str.startswith("mlp")]
figure = pc.paper.verdict_figure(pc.paper.judge(mlps, ["T2", "T3"]))
for label in figure.axes[0].get_yticklabels():
    print(label.get_text())

# prints
# T2 PC: extra fall to mlp-64-64-64-64-64-64-64-64-64
# T3 F: extra fall to mlp-64-64-64-64-64-64-64-64-64
