"What the notebooks of the paper's figures and tables share."
