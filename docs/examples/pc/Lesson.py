import jax
import pc_precision as pc

def mixed(settled):
    return pc.Lesson(inputs=settled.initial, errors=settled.errors)

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
net, y = pc.mlp([32, 32]), jax.nn.one_hot(train.labels, info.classes)
params, stats = net.init(jax.random.key(0), x)
settled = pc.relax(net, params, stats, x, y, pc.Constant()(T=3, L=3))
grads, _ = pc.weight_gradient(net, params, stats, x, settled, rule=mixed)
print("largest gradients:", [f"{float(abs(g['kernel']).max()):.0e}" for g in grads])

# prints
# largest gradients: ['1e-03', '1e-02', '9e-02']
