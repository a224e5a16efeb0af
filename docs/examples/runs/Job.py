import tempfile
import pc_precision as pc

runs = tuple(pc.Experiment(model="mlp-8", seed=seed, limit=64) for seed in (0, 1))
with tempfile.TemporaryDirectory() as store:
    job = pc.runs.Job(runs, store, time_limit="0s")      # else such as 25m or 1h30m
    left = pc.runs.start(job)
print(len(left.to_do), "of", len(job.wanted))

# prints
# time is up: 0 done, 2 to do
# 2 of 2
