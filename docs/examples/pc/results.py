import tempfile
import pc_precision as pc

small = dict(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
runs = [pc.Experiment(algorithm=name, **small) for name in ("BP", "S+F")]
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
    again = pc.results(runs, store, progress=False)      # trains nothing
print(again.equals(frame), frame.shape)
print(pc.summarise(frame)[["algorithm", "mean", "n"]].round(1))

# prints
# True (40, 45)
#   algorithm  mean  n
# 0        BP   0.4  1
# 1       S+F   0.4  1
