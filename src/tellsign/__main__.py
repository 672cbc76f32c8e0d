"""``python -m tellsign`` is the command line."""

from tellsign.cli.main import run

if __name__ == "__main__":
    run()
