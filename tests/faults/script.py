"""The trials of the table as a script: nothing is saved, so one that is cut off begins again."""

import time

import sweeper

params = sweeper.params()
for epoch in range(1, params["do"]["epochs"] + 1):
    time.sleep(params["do"]["delay"])
    print(f"trial {params['x']} epoch {epoch}", flush=True)
    sweeper.report(epoch=epoch, loss=params["x"] / epoch)
