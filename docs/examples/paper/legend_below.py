import pc_precision as pc

figure, axes = pc.paper.page_figure(1, 2)
for ax, layers in zip(axes.flat, (5, 10)):
    ax.plot(range(1, layers + 1), range(layers), label="PC")
    ax.plot(range(1, layers + 1), [1] * layers, label="S+F")
pc.paper.legend_below(figure, axes)
print([text.get_text() for text in figure.legends[0].get_texts()])

# prints
# ['PC', 'S+F']
