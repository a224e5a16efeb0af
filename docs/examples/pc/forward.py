import jax
import optax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
net, y = pc.mlp([32, 32]), jax.nn.one_hot(train.labels, info.classes)
params, stats = net.init(jax.random.key(0), x)
settled = pc.relax(net, params, stats, x, y, pc.Spiking(0.1)(T=3, L=3), x_step=0.1)
grads, bp = (pc.weight_gradient(net, params, stats, x, settled, rule)[0]
             for rule in (pc.forward, "bp"))
pairs = [(a["kernel"].ravel(), b["kernel"].ravel()) for a, b in zip(grads, bp)]
print("cosine with BP:", [f"{optax.cosine_similarity(*pair):.2f}" for pair in pairs])

# prints
# cosine with BP: ['1.00', '1.00', '1.00']
