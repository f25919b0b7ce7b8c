"""Flower's own options, by its names; Flower reads this file itself."""

read_only = True  # `ocrfarm cancel` cancels a job; a message revoked here would have to be recovered
enable_events = False  # workers send them anyhow, and answer only commands that change nothing
persistent = False  # what Flower keeps on disk is a pickle
tasks_columns = (
    "uuid,name,args,kwargs,state,received,runtime,worker"  # arguments as `ocrfarm.farm.celery_app` shows them
)
max_tasks = 20_000  # about 100 MB; a page of 16384 x 16384 pixels is some 70 messages
purge_offline_workers = 86_400  # seconds after which pods that are gone disappear
natural_time = False  # absolute times, which can be looked up in a log
inspect_timeout = 3_000.0  # milliseconds: a worker that loads its models answers late
