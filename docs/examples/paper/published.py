import pc_precision as pc

table = pc.paper.published(["cifar10"], ["vgg5", "vgg10"])
print(table[["model", "batch_norm", "top1", "source"]].to_string(index=False))

# prints
# model batch_norm   top1                                 source
#  vgg5       none  89.53 the authors' tuned configuration, 2025
#  vgg5       none  88.27                                    ePC
# vgg10     freeze  93.27                  the paper, appendix C
