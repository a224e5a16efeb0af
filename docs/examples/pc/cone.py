import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
y = jax.nn.one_hot(train.labels, info.classes)
net, table = pc.mlp([32, 32]), pc.Constant()(T=3, L=3)
params, stats = net.init(jax.random.key(0), x)
cone = pc.relax(net, params, stats, x, y, table, inference=pc.cone)
dense = pc.relax(net, params, stats, x, y, table, inference=pc.dense_inference)
print((cone.energies > 0).astype(int))  # nothing is computed before the error arrives
print("as dense:", bool(abs(cone.energies[-1] - dense.energies[-1]).max() < 1e-6))

# prints
# [[0 0 1]
#  [0 1 1]
#  [1 1 1]
#  [1 1 1]]
# as dense: True
