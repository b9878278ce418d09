"""Put first on PYTHONPATH by `sightline-run`: runs the sitecustomize it hides, then starts the sensor."""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _run_the_next_sitecustomize() -> None:
    """Find and run the module this one hides, under its own name, as if this one were not there."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != _HERE]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _start() -> None:
    try:
        from sightline.run import start_in_this_process
    except Exception as error:  # noqa: BLE001 (the program must run, with or without us)
        sys.stderr.write(f"sightline: not started: {error}\n")
    else:
        start_in_this_process()


try:
    _run_the_next_sitecustomize()
finally:
    _start()
