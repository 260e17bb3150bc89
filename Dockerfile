# One image for the head of a Ray cluster, where sweeps are launched, and for its workers.
#
#   docker build -t sweeper .                                   (GPUs: --build-arg TENSORFLOW=tensorflow[and-cuda])
#
# On one machine, with the project in the current directory and the tree on a volume:
#   docker run --rm --init --shm-size=2g -v "$PWD/sweeps:/work/sweeps:ro" -v tree:/work/experiments \
#       sweeper launch sweeps/digits.yaml -y
#   docker run --rm -v "$PWD/sweeps:/work/sweeps:ro" -v tree:/work/experiments \
#       sweeper best sweeps/digits.yaml
#
# On several machines: the same volumes (a shared disk) on each, the same token, and `ray start`:
#   token:      openssl rand -hex 32 > token      (then -v "$PWD/token:/run/token:ro" everywhere)
#   head:       docker run --name head --init --network host --shm-size=2g -v … --entrypoint ray sweeper \
#                   start --head --block --port 6379 --include-dashboard false
#   worker:     docker run --init --network host --shm-size=2g -v … --entrypoint ray sweeper \
#                   start --block --address HEAD:6379
#   launch:     docker exec head sweeper launch sweeps/digits.yaml --address auto -y
# with -e RAY_AUTH_MODE=token -e RAY_AUTH_TOKEN_PATH=/run/token in head and workers. A cluster started
# without a token runs anybody's code: keep it on a private network. A launch in a container of its own
# cannot join: Ray looks for a node of the cluster among the processes that it sees. Both were tried with
# Ray 2.60 in namespaces of network, processes and mounts, with `nsenter` for `docker exec`.

FROM python:3.11-slim

ARG TENSORFLOW=tensorflow

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --uid 1000 sweeper && install -d -o sweeper -g sweeper /work /work/experiments

COPY pyproject.toml README.md LICENSE /opt/sweeper/
COPY sweeper /opt/sweeper/sweeper

RUN pip install /opt/sweeper "$TENSORFLOW"

USER sweeper
WORKDIR /work
VOLUME /work/experiments

ENTRYPOINT ["sweeper"]
CMD ["--help"]
