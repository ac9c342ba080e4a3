#!/usr/bin/env python3
"""PromQL beside Prometheus' own engine, built from the Go module registry: generated expressions over generated data. Asked for by
TOCSIN_DIFFERENTIAL=1, because it fetches some hundred modules."""
import os
import shutil
import subprocess

import kit
from kit import Skip, test

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "differential", "promql")


@test("generated expressions give Prometheus' answers, instant and over ranges, with names removed at once and at the end")
def differential():
    if os.environ.get("TOCSIN_DIFFERENTIAL") != "1":
        raise Skip("set TOCSIN_DIFFERENTIAL=1; it needs Go 1.26 and its module registry")
    if shutil.which("go") is None:
        raise Skip("there is no Go")
    with kit.temporary() as place:
        peer = os.path.join(place, "peer")
        built = subprocess.run(["go", "build", "-o", peer, "."], cwd=HERE, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise Skip(f"the peer cannot be built: {built.stderr[-300:]}")
        for delayed in ("", "1"):
            for seed in ("1", "2", "3"):
                done = subprocess.run(["python3", os.path.join(HERE, "promql_diff.py"), peer, seed, "300"], capture_output=True, text=True,
                                      env={**os.environ, "DELAYED": delayed, "TOCSIN": kit.TOCSIN}, check=False)
                assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


kit.main()
