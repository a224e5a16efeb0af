import pc_precision as pc

figure, axes = pc.paper.page_figure(rows=2, columns=3, height=1.5)
print(axes.shape, "axes on", figure.get_size_inches(), "inches")

# prints
# (2, 3) axes on [7.2 3. ] inches
