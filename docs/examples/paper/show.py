import pc_precision as pc

figure, axes = pc.paper.page_figure()
axes[0, 0].plot([1, 2, 3], [0.1, 0.5, 0.9])
try:
    pc.paper.show(figure, "*Accuracy.*")
except ValueError as error:             # a notebook shows it with alt="Accuracy rises"
    print(error)

# prints
# say what the figure shows: show(fig, alt=...) or fig.set_label(...)
