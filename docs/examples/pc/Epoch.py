import pc_precision as pc

exp = pc.Experiment(model="mlp-16", limit=128, batch_size=32, epochs=2)
for _, epoch in pc.train(exp, pc.load("digits", limit=128)):
    print(type(epoch).__name__, epoch.number, sorted(epoch.metrics), epoch.diverged)
print("energies of layers 1 and 2:", epoch.train.energies.round(2))

# prints
# Epoch 1 ['test', 'validation'] False
# Epoch 2 ['test', 'validation'] False
# energies of layers 1 and 2: [0.2  0.67]
