import pc_precision as pc

table = pc.Spiking(alpha=0.1)(T=4, L=3)
print(table)                            # the error reaches layer 3 first, then 2

# prints
# [[1.  1.  0.1]
#  [1.  0.1 1. ]
#  [0.1 1.  1. ]
#  [1.  1.  1. ]]
