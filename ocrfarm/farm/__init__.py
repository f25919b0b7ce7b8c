"""The farm: the stages of the pipeline as Celery tasks, over Redis and a store.

```
 a client     submit -> manifest (what the job is), protocol (what messages hold)
 a worker     tasks -> handlers -> pipeline
              batching (tiles into messages), retries (when a tile is given up), second_pass, recovery
              context (what a task needs), celery_app (every setting of Celery)
 Redis        job_store, which makes metrics, queues, worker_registry and more; keys and lua/ describe what is in it;
              broker (the connection), snapshot (the farm at one moment)
 one machine  embedded/
```
"""
