import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
y = jax.nn.one_hot(train.labels, info.classes)
net = pc.mlp([32, 32])
params, stats = net.init(jax.random.key(0), x)
for schedule in (pc.Constant(), pc.Spiking(alpha=0.1)):
    settled = pc.relax(net, params, stats, x, y, schedule(T=3, L=3), x_step=0.1)
    first = [f"{energy:.0e}" for energy in settled.energies[:, 0]]
    print(type(schedule).__name__, "layer 1, step by step:", *first)

# prints
# Constant layer 1, step by step: 0e+00 0e+00 2e-06 1e-05
# Spiking layer 1, step by step: 0e+00 0e+00 2e-02 2e-02
