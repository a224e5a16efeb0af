import pc_precision as pc

# in a clone: results/search/ holds the searches of Table 5 at the profile smoke
plan = pc.paper.plans("table5", "smoke", algorithms="PC")[0]
trials = pc.runs.read_trials(f"results/search/{plan.name}.csv")
figure, axes = pc.paper.page_figure(1, 2, sharey=False)
pc.paper.plot_search(axes[0], [(plan, trials)])
print(axes[0, 0].get_title())
print("searched:", *[label.get_text() for label in axes[0, 1].get_yticklabels()])

# prints
# digits: trials (dots), best so far (line)
# searched: activation x_step learning_rate momentum weight_decay T
