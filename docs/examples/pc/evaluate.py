import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", limit=128, batch_size=16, epochs=2)
data = pc.load("digits", limit=128)
plan = pc.protocol.make_plan(exp, data.info)
for state, epoch in pc.train(exp, data):
    found = pc.evaluate(plan, state.params, state.stats, data.test)
    print(epoch.number, {name: round(value, 1) for name, value in found.items()})

# prints
# 1 {'loss': 0.4, 'top1': 0.3}
# 2 {'loss': 0.4, 'top1': 0.4}
