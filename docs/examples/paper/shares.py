import pc_precision as pc

energies = [[1.0, 1.0, 2.0], [0.0, 0.1, 0.9]]            # two epochs, three layers
print(pc.paper.shares(energies))

# prints
# [[0.25 0.25 0.5 ]
#  [0.   0.1  0.9 ]]
