import jax
import pc_precision as pc

info, train, _, _ = pc.load("digits", limit=64)
x = pc.data.normalise(train.images, info.mean, info.std)
net = pc.mlp([32, 32])
params, stats = net.init(jax.random.key(0), x)
activities, stats = pc.feedforward(net, params, stats, x)
print([layer.shape for layer in activities])
print("the output guesses:", len(set(activities[-1].argmax(-1).tolist())), "classes")

# prints
# [(64, 32), (64, 32), (64, 10)]
# the output guesses: 4 classes
