import tempfile
import pc_precision as pc

small = dict(limit=128, batch_size=16, epochs=2)
runs = pc.paper.grid("smoke", models="mlp-32-32", algorithms=["BP", "PC", "S+F"],
                     batch_norms="none", seeds=0, **small)
with tempfile.TemporaryDirectory() as store:
    frame = pc.results(runs, store, progress=False)
table = pc.paper.imbalance(frame)
print(table[["algorithm", "decades", "last"]].round(1))

# prints
#   algorithm  decades  last
# 0        BP      1.4   0.8
# 1        PC      6.8   1.0
# 2       S+F      1.5   0.8
