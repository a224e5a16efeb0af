import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
for state, epoch in pc.train(exp, pc.load("digits", limit=128)):
    accuracy = epoch.metrics["validation"]["top1"]
    print(f"epoch {epoch.number}: loss {epoch.train.loss:.1f}, accuracy {accuracy:.1f}")

# prints
# epoch 1: loss 0.6, accuracy 0.3
# epoch 2: loss 0.4, accuracy 0.4
