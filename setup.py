"""The package as settings.ini describes it; there is no second place for a version, a requirement or a notebook."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(HERE / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]

STATUS = {"1": "1 - Planning", "2": "2 - Pre-Alpha", "3": "3 - Alpha", "4": "4 - Beta", "5": "5 - Production/Stable"}
EXTRA = "_requirements"



class WithNotebooks(build_py):
    "Copies the notebooks of the paper into the built package: it runs them where there is no clone."

    def run(self):
        super().run()
        target = Path(self.build_lib, cfg["lib_path"], "notebooks")
        if not self.editable_mode:
            self.mkpath(str(target))
            for path in (HERE / cfg["nbs_path"]).glob("[a-z]*.ipynb"):
                if path.stem != "index":
                    self.copy_file(str(path), str(target / path.name))


setup(
    cmdclass={"build_py": WithNotebooks},
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="Apache-2.0",
    keywords=cfg["keywords"].split(),
    classifiers=[
        f"Development Status :: {STATUS[cfg['status']]}",
        f"Intended Audience :: {cfg['audience']}",
        f"Natural Language :: {cfg['language']}",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=f">={cfg['min_python']}",
    packages=find_packages(include=[cfg["lib_path"], f"{cfg['lib_path']}.*"]),
    package_data={cfg["lib_path"]: ["assets/*"]},
    install_requires=cfg["requirements"].split(),
    extras_require={key.removesuffix(EXTRA): cfg[key].split() for key in cfg if key.endswith(EXTRA)},
    entry_points={"console_scripts": cfg["console_scripts"].split()},
    zip_safe=False,
)
