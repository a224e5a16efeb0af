"""Docstrings, which are plain sentences, as the markup of the reference."""
import re

# docstrings write formulas as one types them; the longer ones first
FORMULAS = {
    "exp(-k s) / sum_j exp(-k j)": r"e^{-ks} / \sum_j e^{-kj}",
    "x_l = f_l(x_{l-1}) + eps_l": r"x_l = f_l(x_{l-1}) + \varepsilon_l",
    "mu_l = f_l(x_{l-1})": r"\mu_l = f_l(x_{l-1})",
    "x_l = f_l(x_{l-1})": r"x_l = f_l(x_{l-1})",
    "d_l + (mu_l^0 - mu_l)": r"d_l + (\mu_l^0 - \mu_l)",
    "Sigma_l^t = value": r"\Sigma_l^t = \mathtt{value}",
    "Sigma_l^t = alpha": r"\Sigma_l^t = \alpha",
    "t = L - l": "t = L - l",
    "x_l^T - mu_l^0": r"x_l^T - \mu_l^0",
    "x_l^T - mu_l^T": r"x_l^T - \mu_l^T",
    "x_l^T": "x_l^T"}
FORMULA = re.compile("|".join(re.escape(one).replace(r"\ ", r"\s+") for one in FORMULAS))


def as_rst(text: str, names: list[str]) -> str:
    """A docstring in plain words as markup: `code` literal, formulas drawn, `names:` of parameters strong, equations linked."""
    drawn = lambda match: f"`\0{FORMULAS[' '.join(match[0].split())]}`"
    parts = re.split(r"`([^`]+)`", FORMULA.sub(drawn, text))
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f":math:`{part[1:]}`" if part.startswith("\0") else f"``{part}``"
            continue
        part = re.sub(r"([\\*|_])", r"\\\1", part)
        listed = "|".join(re.escape(name.replace("_", r"\_")) for name in sorted(names, key=len, reverse=True))
        if listed:
            part = re.sub(rf"(?m)(^|[;.] )((?:{listed})(?:, (?:{listed}))*):(?= )", r"\1**\2**:", part)
        parts[i] = re.sub(r"\b([Ee]quation) \((\d)\)", r":ref:`\1 (\2) <eq-\2>`", part)
    return "".join(parts)
