import pc_precision as pc

table = pc.Spiking(alpha=0.1)(T=3, L=3)
print(pc.paper.acting_covariance(table, "energy").round(1))
# the activities of layer l move at the covariance of layer l + 1
print(pc.paper.acting_covariance(table, "activity").round(1))

# prints
# [[1.  1.  0.1]
#  [1.  0.1 1. ]
#  [0.1 1.  1. ]]
# [[1.  0.1 nan]
#  [0.1 1.  nan]
#  [1.  1.  nan]]
