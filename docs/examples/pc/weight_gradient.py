import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
y = jax.nn.one_hot(train.labels, info.classes)
net = pc.mlp([32, 32])
params, stats = net.init(jax.random.key(0), x)
settled = pc.relax(net, params, stats, x, y, pc.Constant()(T=3, L=3))
for rule in ("pc", "forward"):
    grads, _ = pc.weight_gradient(net, params, stats, x, settled, rule)
    print(f"{rule:8}", [f"{float(abs(layer['kernel']).max()):.0e}" for layer in grads])

# prints
# pc       ['1e-03', '1e-02', '8e-02']
# forward  ['1e-03', '1e-02', '9e-02']
