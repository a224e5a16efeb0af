import pc_precision as pc

table, front = pc.Spiking(alpha=0.1)(T=6, L=4), pc.paper.front_steps(4)
figure, axes = pc.paper.page_figure()
image = pc.paper.table_map(axes[0, 0], table, front, (0.1, 10), "spiking")
print("layers, steps:", image.get_array().shape)
print("numbers of layer 1:", *[text.get_text() for text in axes[0, 0].texts[:6]])

# prints
# layers, steps: (4, 6)
# numbers of layer 1: 1 1 1 0.1 1 1
