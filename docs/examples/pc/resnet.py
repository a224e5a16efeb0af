import pc_precision as pc

net = pc.resnet("resnet10", classes=10, width=1 / 8)
print(len(net), "nodes, auxiliary neurons included;", net.depth, "layers deep")
print(pc.paper.parameter_count(net, (32, 32, 3)), "parameters")

# prints
# 18 nodes, auxiliary neurons included; 10 layers deep
# 77282 parameters
