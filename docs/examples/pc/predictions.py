import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
y = jax.nn.one_hot(train.labels, info.classes)
net = pc.mlp([32, 32])
params, stats = net.init(jax.random.key(0), x)
settled = pc.relax(net, params, stats, x, y, pc.Constant()(T=3, L=3))
mu = pc.predictions(net, params, stats, x, settled.final)
errors = [a - m for a, m in zip(settled.final, mu)]
print("energy of each layer:", [f"{pc.total_energy((e,)):.0e}" for e in errors])

# prints
# energy of each layer: ['1e-05', '1e-02', '5e-01']
