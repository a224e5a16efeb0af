import tempfile
import pc_precision as pc

small = dict(limit=128, batch_size=16, epochs=2)
runs = pc.paper.grid("smoke", models="mlp-32-32", algorithms=["BP", "PC", "S+F"],
                     batch_norms="none", seeds=0, **small)
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
table = pc.paper.imbalance_table(frame)
print(table[["algorithm", "decades between layer L and 1"]])

# prints
#   algorithm decades between layer L and 1
# 0        BP                           1.4
# 1        PC                           6.8
# 2       S+F                           1.5
