import pc_precision as pc

table = pc.paper.space_table(models=["vgg5", "vgg10"])
print(table.drop(columns=["BP"]))

# prints
#                                  predictive coding              searched by
# parameter
# epochs                                          25                      all
# batch size                                     128                      all
# activation     [leaky_relu, gelu, hard_tanh, relu]                      all
# k                                  [1.0, 1.5, 2.0]  D, D+F (and -CN), iPC+D
# beta                             [0.15, 0.9], 0.15             nudged (-CN)
# x_step                                (0.005, 0.9)               all but BP
# learning_rate                        (1e-05, 0.03)                      all
# momentum                               [0, 1], 0.1               all but BP
# weight_decay                         (1e-05, 0.01)                      all
# T (VGG5)                              [5, 6, 7, 8]               all but BP
# T (VGG10)                         [10, 12, 14, 16]               all but BP
