import pc_precision as pc

exp = pc.Experiment(model="mlp-8")
limit = pc.runs.Limit(seconds=60)
print("another epoch fits:", limit.room(exp))
print("stop after an epoch of 1 s:", limit(exp, 1.0), "of 61 s:", limit(exp, 61.0))

# prints
# another epoch fits: True
# stop after an epoch of 1 s: False of 61 s: True
