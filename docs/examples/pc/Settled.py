import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
y = jax.nn.one_hot(train.labels, info.classes)
net = pc.mlp([32, 32])
params, stats = net.init(jax.random.key(0), x)
settled = pc.relax(net, params, stats, x, y, pc.Constant()(T=3, L=3))
print("activities:", [a.shape for a in settled.final])
print("energy, a row a step:", settled.energies.shape)
print("their sum falls:", [f"{energy:.2f}" for energy in settled.energies.sum(1)])

# prints
# activities: [(64, 32), (64, 32), (64, 10)]
# energy, a row a step: (4, 3)
# their sum falls: ['0.59', '0.55', '0.53', '0.51']
