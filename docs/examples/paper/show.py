import pc_precision as pc

figure, axes = pc.paper.page_figure()
axes[0, 0].plot([1, 2, 3], [0.1, 0.5, 0.9])
axes[0, 0].set(xlabel="epoch", ylabel="accuracy")
# a notebook shows the drawing; here, outside, we see its words
pc.paper.show(figure, "*Accuracy over epochs.*", alt="The accuracy rises to 0.9.")

# prints
# The accuracy rises to 0.9.
# *Accuracy over epochs.*
