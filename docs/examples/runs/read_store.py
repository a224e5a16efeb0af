import tempfile
import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=1)
with tempfile.TemporaryDirectory() as store:
    pc.results([exp], store, progress=False)
    frame = pc.runs.read_store(store)
print(frame[["algorithm", "epoch", "split", "metric", "layer"]].head(6))

# prints
#   algorithm  epoch  split   metric  layer
# 0       S+F      1  train     loss    NaN
# 1       S+F      1  train     top1    NaN
# 2       S+F      1  train  seconds    NaN
# 3       S+F      1  train   energy    1.0
# 4       S+F      1  train   energy    2.0
# 5       S+F      1  train   energy    3.0
