import pc_precision as pc

exp = pc.Experiment(model="mlp-32-32", algorithm="S+F", epochs=2)
print(exp.layers, "layers, stored under the key", exp.key)
print({name: exp.settings[name] for name in ("T", "x_step", "learning_rate")})
try:
    pc.Experiment(model="vgg5", batch_norm="frozen")
except ValueError as error:
    print(error)

# prints
# 3 layers, stored under the key a3b003bdad28474d
# {'T': 3, 'x_step': 0.1, 'learning_rate': 0.004}
# unknown batch_norm 'frozen' (did you mean 'freeze'?); allowed: None, 'bn', 'freeze'
