"""How gunicorn runs trade-execution-service: two workers, one set of figures, the release asked for."""

import os
import shutil
import sys
from pathlib import Path

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from prometheus_client.multiprocess import mark_process_dead

HERE = Path(__file__).resolve().parent.parent
FIXED = os.environ.get("TRADING_FIXED") == "1"

# `trades` is a namespace package (no __init__.py): of two directories that hold a module, the first wins.
# So the fixed release is `fixed/` put in front, and what it does not hold comes from here.
sys.path[:0] = [str(HERE / "fixed"), str(HERE)] if FIXED else [str(HERE)]

workers = 2
threads = 4
worker_class = "gthread"
control_socket_disable = True

# Figures of an earlier run would be added to this one's.
FIGURES = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if FIGURES:
    shutil.rmtree(FIGURES, ignore_errors=True)
    Path(FIGURES).mkdir(parents=True)


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Forget the gauges of a worker that is gone."""
    if FIGURES:
        mark_process_dead(worker.pid)
