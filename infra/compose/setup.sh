#!/bin/sh
# Inside the image: the buckets that S3_BUCKETS names, the work pool, and the deployments of prefect.yaml. May run again.
set -eu
cd /app
python - <<'PYTHON'
import os

import s3fs

places = s3fs.S3FileSystem()
there = {name.rstrip("/") for name in places.ls("")}
for name in os.environ["S3_BUCKETS"].split():
    if name not in there:
        places.mkdir(name)
        print(f"made the bucket {name}")
PYTHON
prefect work-pool inspect unlearnable >/dev/null 2>&1 || prefect work-pool create unlearnable --type process
prefect --no-prompt deploy --all
for name in unlearnable-retry-crashed unlearnable-crash-silent; do # each anew: there is no telling whether it has changed
    prefect --no-prompt automation delete "$name" >/dev/null 2>&1 || true
done
prefect --no-prompt automation create --from-file infra/prefect/automations.yaml
