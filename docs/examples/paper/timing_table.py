import tempfile
import pc_precision as pc

small = dict(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
runs = [pc.Experiment(algorithm=name, **small) for name in ("BP", "S+F")]
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
table = pc.paper.timing_table(frame, pc.paper.cost_rows(runs), first_epoch=2)
print(table[["T", "GFLOP an image"]])
print(table.columns[1:4].tolist())      # what depends on the machine

# prints
#                              T  GFLOP an image
# dataset model     algorithm
# digits  mlp-32-32 BP                    0.0001
#                   S+F        3          0.0001
# ['seconds an epoch', 'times BP', 'images a second']
