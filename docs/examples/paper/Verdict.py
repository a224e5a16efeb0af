import pc_precision as pc

# in a clone: results/ holds the runs of Table 1 at the profile smoke
frame = pc.runs.kept(pc.paper.items("table1", "smoke"), "results")
mlps = frame[frame["model"].str.startswith("mlp")]
[verdict] = pc.paper.judge(mlps, ["T2"])["digits"]
print(verdict.claim, "->", verdict.words)
[fall] = verdict.differences
print(f"{fall.mean:.1f} ± {fall.half:.1f} points, {fall.n} seeds, {verdict.runs} runs")

# prints
# T2. PC falls with depth -> holds (untuned)
# 79.7 ± 20.7 points, 3 seeds, 12 runs
