"""What tools/setup-languages.sh got for `make test-all`."""

from support.paths import LANGUAGES


def give(data):
    """Makes a server's data directory one in which all of it is installed."""
    data.mkdir(mode=0o700, parents=True)
    (data / "runtimes").symlink_to(LANGUAGES / "runtimes")


def missing():
    """What could not be had, and why."""
    try:
        lines = (LANGUAGES / "missing").read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split(" ", 1) for line in lines)
