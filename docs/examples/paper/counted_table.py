import pc_precision as pc

runs = [pc.Experiment(dataset="cifar10", model="vgg5", algorithm=name, epochs=25)
        for name in ("BP", "S+F")]
table = pc.paper.counted_table({"mine": runs}, teraflops=10)
print(table.astype(float).round(2))     # hours

# prints
#             runs    BP   S+F  all
# table net
# mine  vgg5   2.0  0.03  0.07  0.1
#       all    2.0  0.03  0.07  0.1
