import jax
import pc_precision as pc

net = pc.mlp([64, 32], classes=10, activation="tanh")
params, stats = net.init(jax.random.key(0), jax.numpy.ones((1, 32, 32, 1)))
print(len(net), "layers:", [layer["kernel"].shape for layer in params])

# prints
# 3 layers: [(1024, 64), (64, 32), (32, 10)]
