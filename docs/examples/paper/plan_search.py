import pc_precision as pc

exp = pc.Experiment(model="vgg5", algorithm="PC")
for profile in ("smoke", "laptop", "paper"):
    plan = pc.paper.plan_search(exp, profile)
    print(profile, plan.trials, "trials, T one of", pc.runs.written(plan.space["T"]))

# prints
# smoke 5 trials, T one of [5, 6, 7, 8]
# laptop 40 trials, T one of [5, 7]
# paper 500 trials, T one of [5, 6, 7, 8]
