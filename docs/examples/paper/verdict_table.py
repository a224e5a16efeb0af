import pc_precision as pc

# in a clone: results/ holds the runs of Table 1 at the profile smoke
frame = pc.runs.kept(pc.paper.items("table1", "smoke"), "results")
mlps = frame[frame["model"].str.startswith("mlp")]
table = pc.paper.verdict_table(pc.paper.judge(mlps, ["T1", "T2", "T3"], ["energy"]))
print(table.droplevel("dataset")[["verdict", "runs"]])

# prints
#                                                                   verdict  runs
# claim
# T1. S+F follows BP with depth (energy)  undecided at this scale (untuned)    18
# T2. PC falls with depth                                   holds (untuned)    12
# T3. F falls with depth                                    holds (untuned)    12
