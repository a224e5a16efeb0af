import jax
import pc_precision as pc

exp = pc.Experiment(model="mlp-16", limit=128, batch_size=32, epochs=2)
for state, epoch in pc.train(exp, pc.load("digits", limit=128)):
    size = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    print(f"State after epoch {int(state.epoch)}: {size} parameters")

# prints
# State after epoch 1: 16570 parameters
# State after epoch 2: 16570 parameters
