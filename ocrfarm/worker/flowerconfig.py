"""What Flower shows and keeps; options of Flower by their names, read by Flower itself."""

read_only = True  # jobs are cancelled by `ocrfarm cancel`: a message that is revoked here would only be missed later
persistent = False  # what it would keep on disk is a pickle
tasks_columns = (
    "uuid,name,args,kwargs,state,received,runtime,worker"  # arguments as `ocrfarm.farm.celery_app` shows them
)
max_tasks = 20_000  # about 100 MB; a page of 16384 pixels is some 70 messages
purge_offline_workers = 86_400  # seconds: pods that will not come back
natural_time = False  # the time itself, which can be looked up in a log
inspect_timeout = 3_000.0  # milliseconds: a worker that loads its models answers late
