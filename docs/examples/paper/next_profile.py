import pc_precision as pc

for profile in ("smoke", "laptop", "paper"):
    print(profile, "->", pc.paper.next_profile(profile))

# prints
# smoke -> laptop
# laptop -> paper
# paper -> paper
