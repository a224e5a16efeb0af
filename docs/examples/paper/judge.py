import pc_precision as pc

# in a clone: results/ holds the runs of Table 1 at the profile smoke
frame = pc.runs.kept(pc.paper.items("table1", "smoke"), "results")
mlps = frame[frame["model"].str.startswith("mlp")]
for dataset, verdicts in pc.paper.judge(mlps, ["T1", "T2", "T3"], ["energy"]).items():
    for verdict in verdicts:
        print(f"{dataset}, {verdict.claim}: {verdict.verdict}")

# prints
# digits, T1. S+F follows BP with depth (energy): undecided at this scale
# digits, T2. PC falls with depth: holds
# digits, T3. F falls with depth: holds
