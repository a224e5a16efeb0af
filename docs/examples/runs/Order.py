import pc_precision as pc

order = pc.runs.Order("results/search", data_dir="/data")
print("trials go to", order.store, "and take their images from", order.data_dir)

# prints
# trials go to results/search and take their images from /data
