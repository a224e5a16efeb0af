import tempfile
import pc_precision as pc

runs = [pc.Experiment(model="mlp-32-32", seed=seed, limit=128, batch_size=16, epochs=1)
        for seed in (0, 1, 2)]
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs[:2], store, progress=False)
print(pc.summarise(frame)[["model", "algorithm", "mean", "n"]].round(1))
# three seeds were asked for: no mean until all are there
print(pc.summarise(frame, of=runs)[["model", "algorithm", "mean", "n", "missing"]])

# prints
#        model algorithm  mean  n
# 0  mlp-32-32       S+F   0.4  2
#        model algorithm  mean  n  missing
# 0  mlp-32-32       S+F   NaN  2        1
