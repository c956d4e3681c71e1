#!/usr/bin/env bash
# s3fs 2026.9.0: mkdir() of a bucket fails where `region_name` is "us-east-1", the default region of S3, because it sends this name as
# the bucket's location, which S3 refuses for this one region. Without `region_name` the same call works. The server is moto 5.2.5,
# which refuses it as S3 does. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "s3fs==2026.9.0" "moto[server]==5.2.5"
"$scratch/venv/bin/python" - <<'PY'
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()


def made(bucket, **where):
    files = S3FileSystem(key="k", secret="s", endpoint_url=f"http://{host}:{port}", client_kwargs=where)
    try:
        files.mkdir(bucket)
    except OSError as problem:
        return str(problem)
    return "made"


found = {
    "no region": made("first-bucket"),
    "eu-west-1": made("second-bucket", region_name="eu-west-1"),
    "us-east-1": made("third-bucket", region_name="us-east-1"),
}
print(found)
server.stop()
assert found["no region"] == found["eu-west-1"] == "made" and "location" in found["us-east-1"]
PY
